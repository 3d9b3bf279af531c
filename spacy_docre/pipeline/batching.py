"""Documents that are scored at once."""

from typing import Iterable, Iterator, List

from ..entity_sources import EntityDoc
from ..pairs import Pairs

# Pairs that are scored at once: some 10 kB each in the small recipe.
MAX_PAIRS = 2**15


def minibatch_by_pairs(documents: Iterable[EntityDoc]) -> Iterator[List[EntityDoc]]:
    """Batches of at most `MAX_PAIRS` entity pairs, or of a single document.

    documents (Iterable[EntityDoc]): The documents.
    YIELDS (List[EntityDoc]): The batches, in order.
    """
    batch: List[EntityDoc] = []
    total = 0
    for document in documents:
        pairs = Pairs.count(len(document.entities))
        if batch and total + pairs > MAX_PAIRS:
            yield batch
            batch, total = [], 0
        batch.append(document)
        total += pairs
    if batch:
        yield batch
