"""Parts of the triples that are scored separately: triples that follow from others, frequent and
rare relations, documents of a size."""

from collections import defaultdict
from typing import Collection, Counter, Dict, Iterable, List, Set, Tuple

from .metrics import EntityPair, ScoredTriple

FREQUENT = 10
# The frequent relations in the authors' own evaluation code (github.com/tonytan48/Re-DocRED,
# evaluation.py): the ten most frequent relations of DocRED's training data.
PAPER_FREQUENT = ("P17", "P131", "P27", "P150", "P175", "P577", "P463", "P527", "P495", "P361")


def inferable_triples(gold: Set[ScoredTriple]) -> Set[ScoredTriple]:
    """Find the gold triples of Infer-F1: all three triples of each gold chain (h, r1, o),
    (o, r2, t), (h, r3, t), where h, o and t are three entities of one document.

    Infer-F1 is the F1 of these triples and *all* predicted triples. So recall is that of the
    chains. A predicted triple outside the gold chains lowers precision, even if it is right.

    What is certain: Zeng et al. 2020 (GAIN, "Analysis and Discussion") count gold facts r1, r2 and
    r3 where h -r1-> o -r2-> t and h -r3-> t. The released code of KD-DocRE (official_eval.py) reads
    gold facts from a file dev_two_hop.json. For precision, it divides by the number of all answers.
    For recall, it divides by the number of the file's facts.

    What we assume: the file, which was not released, has these three facts of each chain, and o is
    a third entity. How GAIN counts precision is unknown: that code was not released either.

    gold (Set[ScoredTriple]): The gold triples.
    RETURNS (Set[ScoredTriple]): The triples that are part of a chain.
    """
    tails = _tails(gold)
    chained: Set[EntityPair] = set()
    for document, head, tail in two_hop_pairs(gold) & {triple.pair for triple in gold}:
        for bridge in tails[document, head] - {head, tail}:
            if tail in tails.get((document, bridge), ()):
                chained |= {(document, head, bridge), (document, bridge, tail)}
                chained.add((document, head, tail))
    return {triple for triple in gold if triple.pair in chained}


def two_hop_pairs(gold: Iterable[ScoredTriple]) -> Set[EntityPair]:
    """Find the pairs (h, t) for which gold has triples (h, r1, o) and (o, r2, t), with o a third
    entity.

    The F1 of the triples between these pairs is about r3 alone, the relation to infer. Infer-F1
    counts r1 and r2 as well (`inferable_triples`). Gold decides which pairs count, so that all
    models are scored on the same pairs.

    gold (Iterable[ScoredTriple]): The gold triples.
    RETURNS (Set[EntityPair]): The pairs.
    """
    tails = _tails(gold)
    return {
        (document, head, tail)
        for (document, head), bridges in tails.items()
        for bridge in bridges - {head}
        for tail in tails.get((document, bridge), set()) - {head, bridge}
    }


def _tails(triples: Iterable[ScoredTriple]) -> Dict[Tuple[str, int], Set[int]]:
    """The tails of each head, by document and head."""
    tails: Dict[Tuple[str, int], Set[int]] = defaultdict(set)
    for triple in triples:
        tails[triple.document, triple.head].add(triple.tail)
    return tails


def frequent_labels(counts: Counter[str], number: int = FREQUENT) -> List[str]:
    """Find the most frequent relations. The others are the long tail.

    counts (Counter[str]): How often each relation occurs in the training data.
    number (int): The number of frequent relations.
    RETURNS (List[str]): Their labels, the most frequent first, ties in alphabetical order.
    """
    return sorted(counts, key=lambda label: (-counts[label], label))[:number]


def size_class(size: int, bounds: Collection[int]) -> str:
    """Find the class of a size.

    size (int): The size.
    bounds (Collection[int]): The largest size of each class but the last, ascending.
    RETURNS (str): The name of the class, e.g. "11-20", or "31 or more" for the last class.
    """
    low = 0
    for bound in bounds:
        if size <= bound:
            return f"{low}-{bound}" if low < bound else str(low)
        low = bound + 1
    return f"{low} or more"


def size_classes(bounds: Collection[int]) -> List[str]:
    """List the classes in order.

    bounds (Collection[int]): As for `size_class`.
    RETURNS (List[str]): The names of the classes.
    """
    return [size_class(size, bounds) for size in [*bounds, max(bounds) + 1]]
