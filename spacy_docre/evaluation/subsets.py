"""Parts of the triples that are scored on their own: what follows from others, frequent and
rare relations, sizes of documents."""

from collections import defaultdict
from typing import Collection, Counter, Dict, Iterable, List, Set, Tuple

from .metrics import EntityPair, ScoredTriple

FREQUENT = 10


def two_hop_pairs(gold: Iterable[ScoredTriple]) -> Set[EntityPair]:
    """The pairs (h, t) for which gold has triples (h, r1, o) and (o, r2, t), with o a third
    entity. Infer-F1 is the F1 of the triples between these pairs.

    The idea is that of Zeng et al. 2020 (Double Graph Based Reasoning for Document-level
    Relation Extraction, section 4.4): facts r1, r2, r3 with h -r1-> o -r2-> t and h -r3-> t.
    They count all three; here it is r3 alone, which is what has to be inferred. Gold decides
    which pairs count, so that all models are scored on the same.

    gold (Iterable[ScoredTriple]): The gold triples.
    RETURNS (Set[EntityPair]): The pairs.
    """
    tails: Dict[Tuple[str, int], Set[int]] = defaultdict(set)
    for triple in gold:
        tails[triple.document, triple.head].add(triple.tail)
    return {
        (document, head, tail)
        for (document, head), bridges in list(tails.items())
        for bridge in bridges - {head}
        for tail in tails.get((document, bridge), set()) - {head, bridge}
    }


def frequent_labels(counts: Counter[str], number: int = FREQUENT) -> List[str]:
    """The most frequent relations; the others are the long tail.

    counts (Counter[str]): How often each occurs in the training data.
    number (int): How many are frequent.
    RETURNS (List[str]): Their labels, the most frequent first, at a tie by the alphabet.
    """
    return sorted(counts, key=lambda label: (-counts[label], label))[:number]


def size_class(size: int, bounds: Collection[int]) -> str:
    """The class that a size falls into.

    size (int): The size.
    bounds (Collection[int]): The largest size of each class but the last, ascending.
    RETURNS (str): What the class is called, e.g. "11-20", or "31 or more" for the last.
    """
    low = 0
    for bound in bounds:
        if size <= bound:
            return f"{low}-{bound}" if low < bound else str(low)
        low = bound + 1
    return f"{low} or more"


def size_classes(bounds: Collection[int]) -> List[str]:
    """The classes in order.

    bounds (Collection[int]): As for `size_class`.
    RETURNS (List[str]): What they are called.
    """
    return [size_class(size, bounds) for size in [*bounds, max(bounds) + 1]]
