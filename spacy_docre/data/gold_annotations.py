"""Gold entities and relations: write them to a Doc, and make an Example for training."""

from collections import Counter
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple, Union

from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import filter_spans

from ..annotations import Entity, Triple, set_entities, set_relations
from ..entity_sources import (
    DEFAULT_KEY,
    copy_words,
    gold_entities,
    set_entity_spans,
)
from ..mentions import distinct_mentions

# First token, end token, label and, if there is one, linked id.
Mention = Union[Tuple[int, int, str], Tuple[int, int, str, str]]
_NAMES = "docre_mention_names"


def set_gold_annotations(
    doc: Doc, entities: Optional[Sequence[Sequence[Mention]]], relations: Optional[Iterable[Triple]]
) -> None:
    """Write gold entities and relations to a Doc.

    All mentions go to `doc.spans["entities"]`. Mentions that have a label and do not overlap go to
    `doc.ents`, too. There, tokens of mentions without a label are missing, not outside. The id of
    each mention is the index of its entity in `doc._.entities`.

    doc (Doc): The document.
    entities (Optional[Sequence[Sequence[Mention]]]): The mentions of each entity: first token, end
        token, label and, if there is one, linked id. None if nobody has annotated entities, nor
        relations. A mention that an entity has twice counts once.
    relations (Optional[Iterable[Triple]]): The relations; None if nobody has annotated them.
    """
    if entities is None:
        return
    spans = [
        distinct_mentions(
            Span(doc, start, end, label=label, span_id=str(index), kb_id="".join(kb_id))
            for start, end, label, *kb_id in mentions
        )
        for index, mentions in enumerate(entities)
    ]
    # Entity by entity: so the entities first appear in the group in their own order.
    set_entity_spans(doc, spans)
    # No linked id for a mention of several entities: in doc.ents it would count for each of them.
    holders = Counter((span.start, span.end) for span in doc.spans[DEFAULT_KEY])
    labelled = filter_spans(
        span
        if holders[span.start, span.end] == 1
        else Span(doc, span.start, span.end, label=span.label, span_id=span.id)
        for span in doc.spans[DEFAULT_KEY]
        if span.label
    )
    taken = {index for span in labelled for index in range(span.start, span.end)}
    # In doc.ents, a span without a label would say that there is no entity.
    unlabelled = {
        index
        for span in doc.spans[DEFAULT_KEY]
        if not span.label
        for index in range(span.start, span.end)
    }
    doc.set_ents(labelled, missing=[doc[index : index + 1] for index in unlabelled - taken])
    set_entities(doc, spans)
    if relations is not None:
        set_relations(doc, relations)


def make_example(reference: Doc) -> Example:
    """Make an example whose predicted document has the gold entities.

    The words, spaces and sentences are those of the reference, too. The entities are only in
    `doc.spans["entities"]`: in `doc.ents`, an `ner` of the same pipeline would see them.

    reference (Doc): The gold document.
    RETURNS (Example): The example.
    """
    predicted = copy_words(reference)
    set_entity_spans(predicted, gold_entities(reference))
    return Example(predicted, reference)


def set_mention_names(doc: Doc, names: Iterable[Tuple[int, int, int, str]]) -> None:
    """Store the names that an annotated file gives to mentions.

    A name is stored if it differs from the mention's tokens with spaces between them. Ign F1 finds
    facts of the training data by names.

    doc (Doc): The document.
    names (Iterable[Tuple[int, int, int, str]]): The index of the entity, first token, end token
        and name of each mention.
    """
    stored: Dict[str, List[str]] = {}
    for entity, start, end, name in names:
        known = stored.setdefault(f"{entity}:{start}:{end}", [])
        if name not in known:
            known.append(name)
    doc.user_data[_NAMES] = {
        mention: known
        for mention, known in stored.items()
        if known != [_tokens(doc, *map(int, mention.split(":")[1:]))]
    }


def mention_names(doc: Doc) -> Mapping[str, Sequence[str]]:
    """Return the names that `set_mention_names` has stored on a Doc.

    doc (Doc): The document.
    RETURNS (Mapping[str, Sequence[str]]): The names of each mention.
    RAISES (ValueError): If the stored names are damaged.
    """
    names: Any = doc.user_data.get(_NAMES, {})
    # Lists come out of a DocBin as tuples.
    if not isinstance(names, dict) or not all(
        isinstance(known, (list, tuple)) and all(isinstance(name, str) for name in known)
        for known in names.values()
    ):
        raise ValueError(
            f"doc.user_data[{_NAMES!r}] of the document {doc.text[:50]!r} is damaged: it should "
            "hold a list of names for each mention. Convert the document again."
        )
    return names


def entity_names(entity: Entity) -> Set[str]:
    """Return the names of an entity's mentions.

    A name is the one that `set_mention_names` has stored. Without a stored name, it is the
    mention's tokens with spaces between them. So it does not depend on the document's spaces.

    entity (Entity): The entity.
    RETURNS (Set[str]): The names.
    """
    names = mention_names(entity.doc)
    return {
        name
        for span in entity.mentions
        for name in names.get(
            f"{entity.index}:{span.start}:{span.end}",
            [_tokens(entity.doc, span.start, span.end)],
        )
    }


def _tokens(doc: Doc, start: int, end: int) -> str:
    return " ".join(token.text for token in doc[start:end])
