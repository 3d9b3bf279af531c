"""Read and check the entities and relations that a Doc stores in `doc.user_data`. The data may be
damaged, or written by another program."""

from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any, Callable, Iterable, List, Optional, Sequence, Tuple

from spacy.tokens import Doc, Span

from .mentions import check_tokens

ENTITIES = "docre_entities"
RELATIONS = "docre_relations"
PARTIAL = "docre_partial"


@dataclass(frozen=True)
class Triple:
    """A relation as it is stored. Head and tail are indices of `doc._.entities`.

    head (int): Index of the head entity.
    tail (int): Index of the tail entity.
    label (str): The relation.
    score (float): Its probability; 1 for a gold relation.
    name (str): A readable name of the relation; empty if none is known.
    evidence (Tuple[Tuple[int, int], ...]): First token and end token of each evidence
        sentence, the strongest first.
    """

    head: int
    tail: int
    label: str
    score: float = 1.0
    name: str = ""
    evidence: Tuple[Tuple[int, int], ...] = ()


def mentions_to_lists(mentions: Iterable[Span]) -> List[List[Any]]:
    """Turn the mentions of an entity into the lists that a Doc stores.

    mentions (Iterable[Span]): The mentions.
    RETURNS (List[List[Any]]): First token, end token, label, id and linked id of each mention.
    """
    return [
        [int(span.start), int(span.end), span.label_, span.id_, span.kb_id_] for span in mentions
    ]


def mentions_from_lists(doc: Doc, lists: Iterable[Sequence[Any]]) -> List[Span]:
    """Turn stored lists back into mentions.

    doc (Doc): The document, or another document of the same tokens.
    lists (Iterable[Sequence[Any]]): The lists that `mentions_to_lists` returned.
    RETURNS (List[Span]): The mentions, as spans of the document.
    """
    return [
        Span(doc, start, end, label=label, span_id=id_, kb_id="".join(kb_id))
        # A Doc that was stored by an earlier version has no kb_id.
        for start, end, label, id_, *kb_id in lists
    ]


def stored_entities(doc: Doc, key: str = ENTITIES) -> Sequence[Sequence[Sequence[Any]]]:
    """Read the entities that a Doc stores.

    doc (Doc): The document.
    key (str): The key in `doc.user_data`.
    RETURNS (Sequence[Sequence[Sequence[Any]]]): First token, end token, label, id and linked id of
        each mention of each entity; empty if nothing is stored.
    RAISES (ValueError): If the data has another form, or names tokens that the document lacks.
    """

    def is_entity(item: Any) -> bool:
        mentions = item if _is_list(item) else []
        return len(mentions) > 0 and all(_is_mention(mention, len(doc)) for mention in mentions)

    expected = "mentions: first token, end token, label, id and linked id of each"
    return _checked(doc, key, is_entity, expected)


def stored_relations(doc: Doc) -> Sequence[Sequence[Any]]:
    """Read the relations that a Doc stores.

    doc (Doc): The document.
    RETURNS (Sequence[Sequence[Any]]): The fields of a Triple for each relation; empty if nothing
        is stored.
    RAISES (ValueError): If the data has another form, or names entities or tokens that the document
        lacks.
    """
    num_entities = len(stored_entities(doc))

    def is_relation(item: Any) -> bool:
        return _is_relation(item, num_entities, len(doc))

    expected = (
        f"head and tail of {num_entities} entities, label, score of 0 to 1, name and evidence"
    )
    return _checked(doc, RELATIONS, is_relation, expected)


def stored_possible(doc: Doc) -> Optional[Sequence[Sequence[Any]]]:
    """Read the further relations that may hold in a Doc whose relations are partial.

    doc (Doc): The document.
    RETURNS (Optional[Sequence[Sequence[Any]]]): Head, tail and label of each relation; None if any
        relation may hold.
    RAISES (ValueError): If the data has another form, or names entities that the document lacks.
    """
    if doc.user_data.get(PARTIAL, True) is True:
        return None
    num_entities = len(stored_entities(doc))

    def is_possible(item: Any) -> bool:
        return _is_list(item) and len(item) == 3 and _is_triple(item, num_entities)

    return _checked(doc, PARTIAL, is_possible, f"head and tail of {num_entities} entities, label")


def _checked(
    doc: Doc, key: str, is_good: Callable[[Any], bool], expected: str
) -> Sequence[Sequence[Any]]:
    items = doc.user_data.get(key, ())
    if items:
        check_tokens(doc)
    wrong: List[Any] = [items]
    if _is_list(items):
        wrong = [item for item in items if not is_good(item)]
    if wrong:
        raise ValueError(
            f"doc.user_data[{key!r}] is damaged, or belongs to another document than "
            f"{doc.text[:50]!r}, which has {len(doc)} tokens: {shortened(wrong[0])} should be "
            f"{expected}. Set doc._.entities and doc._.relations again."
        )
    return items


def _is_mention(item: Any, num_tokens: int) -> bool:
    return (
        _is_list(item)
        # A Doc that was stored by an earlier version has no linked id.
        and len(item) in (4, 5)
        and _is_range(item[:2], num_tokens)
        and item[0] < item[1]
        and all(isinstance(text, str) for text in item[2:])
    )


def _is_relation(item: Any, num_entities: int, num_tokens: int) -> bool:
    if not _is_list(item) or len(item) != 6:
        return False
    score, name, evidence = item[3:]
    return (
        _is_triple(item[:3], num_entities)
        and isinstance(name, str)
        and isinstance(score, (int, float))
        # NaN fails this comparison, too.
        and 0 <= score <= 1
        and _is_list(evidence)
        and all(_is_range(sentence, num_tokens) for sentence in evidence)
    )


def _is_triple(item: Sequence[Any], num_entities: int) -> bool:
    *indices, label = item
    return isinstance(label, str) and all(
        isinstance(index, int) and 0 <= index < num_entities for index in indices
    )


def _is_range(item: Any, num_tokens: int) -> bool:
    return (
        _is_list(item)
        and len(item) == 2
        and all(isinstance(index, int) for index in item)
        and 0 <= item[0] <= item[1] <= num_tokens
    )


def _is_list(item: Any) -> bool:
    # A DocBin turns lists into tuples.
    return isinstance(item, (list, tuple))


def triple_from_list(stored: Sequence[Any]) -> Triple:
    """Turn the fields of a stored relation into a Triple.

    stored (Sequence[Any]): Head, tail, label, score, name and evidence.
    RETURNS (Triple): The relation.
    """
    head, tail, label, score, name, evidence = stored
    return Triple(head, tail, label, score, name, tuple((start, end) for start, end in evidence))


def get_triples(doc: Doc) -> List[Triple]:
    """Read the stored relations of a Doc as triples. They equal `relation.triple` of each relation
    in `doc._.relations`, but nothing is computed about their entities.

    doc (Doc): The document.
    RETURNS (List[Triple]): The relations, in the same order.
    RAISES (ValueError): As `stored_relations`.
    """
    return [triple_from_list(stored) for stored in stored_relations(doc)]
