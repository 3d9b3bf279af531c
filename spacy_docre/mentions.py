"""Mentions by the tokens they have, and the Doc whose tokens these are."""

import struct
import warnings
from collections import Counter
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

import srsly
from spacy.pipeline import EntityLinker
from spacy.tokens import Doc, Span

# Of the span that is the whole document: the number of its tokens. It is an extension of spans,
# since Doc.from_docs and Span.as_doc move these with their characters.
_DOCUMENT = "docre_document"
# Of a mention that names its entity better than the longest one does. It moves likewise.
_BEST_NAME = "docre_best_name"


def without_space(doc: Doc, start: int, end: int) -> Tuple[int, int]:
    """Trim a mention.

    doc (Doc): The document.
    start (int): Its first token.
    end (int): Its end token.
    RETURNS (Tuple[int, int]): The tokens from the first to the last that is not white space; all
        where none is.
    """
    first = next((index for index in range(start, end) if not doc[index].text.isspace()), None)
    if first is None:
        return start, end
    last = next(index for index in reversed(range(start, end)) if not doc[index].text.isspace())
    return first, last + 1


def distinct_mentions(mentions: Iterable[Span]) -> List[Span]:
    """The mentions of an entity, each once: the same tokens are one mention, whatever their labels
    and the white space at their ends. This is the rule wherever entities come from.

    mentions (Iterable[Span]): The mentions.
    RETURNS (List[Span]): The first of each.
    """
    distinct: Dict[Tuple[int, int], Span] = {}
    for span in mentions:
        distinct.setdefault(without_space(span.doc, span.start, span.end), span)
    return list(distinct.values())


def on_one_line(text: str) -> str:
    """A name without white space at its ends, line breaks and double spaces.

    text (str): The name as a text has it.
    RETURNS (str): The name.
    """
    return " ".join(text.split())


def best_name(mentions: Sequence[Span]) -> str:
    """What an entity is called.

    mentions (Sequence[Span]): Its mentions.
    RETURNS (str): The mention that is marked as the best, else the longest; of several the most
        frequent, then the first.
    """
    texts = [on_one_line(span.text) for span in mentions if span._.get(_BEST_NAME)]
    return texts[0] if texts else _longest(mentions)


def mark_best_names(doc: Doc, entities: Iterable[Tuple[Span, Sequence[Span]]]) -> None:
    """Mark the mention that is the best name of its entity, where it is not the longest.

    doc (Doc): The document. Marks that it has had are gone.
    entities (Iterable[Tuple[Span, Sequence[Span]]]): The mention, and all of the entity.
    """
    for key in [key for key in doc.user_data if _is_mark(key, _BEST_NAME)]:
        del doc.user_data[key]
    for best, mentions in entities:
        if on_one_line(best.text) != _longest(mentions):
            best._.set(_BEST_NAME, True)


def _longest(mentions: Sequence[Span]) -> str:
    counts = Counter(on_one_line(span.text) for span in mentions)
    return max(counts, key=lambda text: (len(text), counts[text]))


def group_spans(doc: Doc, key: str) -> List[Span]:
    """The spans of a group, at their characters: when tokens are merged or split, spaCy leaves
    their numbers in a group as they were.

    doc (Doc): The document.
    key (str): The key of the group in `doc.spans`.
    RETURNS (List[Span]): The spans. One without characters is left out, and a warning says so.
    """
    group = doc.spans[key]
    try:
        spans = [_at_its_characters(span) for span in group]
    except IndexError:
        # Where a token number is past the end now, the group gives no spans, but it can be stored.
        stored = srsly.msgpack_loads(group.to_bytes())["spans"]
        spans = [_find_characters(doc, *_STORED.unpack(data)) for data in stored]
    found = [span for span in spans if span is not None]
    if len(found) < len(spans):
        warnings.warn(
            f"{len(spans) - len(found)} spans of doc.spans[{key!r}] have no characters of the text "
            f"{doc.text[:40]!r}, and are no mentions. Set the group again, with spans of this Doc.",
            stacklevel=2,
        )
    return found


def ids_in_groups(doc: Doc) -> Set[str]:
    """The ids that the spans of all groups have: they tell entities of their document apart.

    doc (Doc): The document.
    RETURNS (Set[str]): The ids.
    """
    return {span.id_ for key in doc.spans for span in group_spans(doc, key)}


def kb_id(mention: Span) -> str:
    """The id that an entity linker has given a mention.

    mention (Span): The mention.
    RETURNS (str): Its `kb_id_`; "" where it has none, or where that says that there is none.
    """
    return "" if mention.kb_id_ == EntityLinker.NIL else str(mention.kb_id_)


def linked_ids(doc: Doc) -> Dict[Tuple[int, int], str]:
    """What a linker or an entity ruler says of the mentions in `doc.ents`.

    doc (Doc): The document.
    RETURNS (Dict[Tuple[int, int], str]): By first and end token, the `kb_id_`, else the `ent_id_`.
        One that a span group has, too, tells entities of the document apart, and links none.
    """
    local = ids_in_groups(doc)
    return {
        (span.start, span.end): kb_id(span) or ("" if span.ent_id_ in local else str(span.ent_id_))
        for span in doc.ents
    }


def most_linked(mentions: Iterable[Span], linked: Mapping[Tuple[int, int], str]) -> str:
    """The linked id of an entity.

    mentions (Iterable[Span]): Its mentions.
    linked (Mapping[Tuple[int, int], str]): What `linked_ids` says of their document.
    RETURNS (str): The id of most mentions, the first of them at a tie; "" where none has one.
    """
    ids = Counter(
        linked.get((mention.start, mention.end)) or kb_id(mention) for mention in mentions
    )
    del ids[""]
    return ids.most_common(1)[0][0] if ids else ""


def most_labelled(mentions: Iterable[Span]) -> str:
    """The label of an entity.

    mentions (Iterable[Span]): Its mentions.
    RETURNS (str): The label of most mentions, the first of them at a tie.
    """
    return Counter(str(mention.label_) for mention in mentions).most_common(1)[0][0]


# A span as spaCy stores it: id, kb_id, label, first and end token, first and end character.
_STORED = struct.Struct(">QQQllll")


def _at_its_characters(span: Span) -> Optional[Span]:
    doc, end = span.doc, span.end
    start_char, end_char = span.start_char, span.end_char
    if (
        0 <= start_char < end_char
        and start_char == doc[span.start].idx
        and end_char == doc[end - 1].idx + len(doc[end - 1])
    ):
        return span
    return _find_characters(
        doc, span.id, span.kb_id, span.label, span.start, end, start_char, end_char
    )


def _find_characters(
    doc: Doc, id: int, kb_id: int, label: int, start: int, end: int, start_char: int, end_char: int
) -> Optional[Span]:
    if not 0 <= start_char < end_char:
        return None
    found = doc.char_span(start_char, end_char, label, kb_id, span_id=id, alignment_mode="expand")
    return found or None


def mark_document(doc: Doc) -> None:
    """Keep on a Doc how many tokens it has and, in characters, where it begins and ends: what is
    stored by tokens holds for these, and the ids of its entities are its own.

    doc (Doc): The document.
    """
    if len(doc):
        doc[:]._.set(_DOCUMENT, len(doc))


def forget_merged(doc: Doc) -> None:
    """Forget which documents a Doc was merged of, once its entities have ids that are its own.

    doc (Doc): The document.
    """
    for key in [key for key in doc.user_data if _is_mark(key)]:
        del doc.user_data[key]
    mark_document(doc)


def merged_documents(doc: Doc) -> List[Tuple[int, int]]:
    """The documents that `Doc.from_docs` has merged, as far as entities were stored on them.

    doc (Doc): The document.
    RETURNS (List[Tuple[int, int]]): First and end character of each; none where it is not merged.
    """
    whole = (doc[:].start_char, doc[:].end_char) if len(doc) else None
    keys: Iterable[Any] = doc.user_data
    parts = [(key[2], key[3]) for key in keys if _is_mark(key)]
    return [part for part in parts if part != whole]


def check_tokens(doc: Doc) -> None:
    """See that a Doc has the tokens that it had when its entities were stored. One that an earlier
    version has stored has no mark, and passes.

    doc (Doc): The document.
    RAISES (ValueError): If it has others.
    """
    if len(doc) and doc[:]._.get(_DOCUMENT) == len(doc):
        return
    for key, number in doc.user_data.items():
        if _is_mark(key):
            raise ValueError(
                f"Entities and relations were stored on this Doc for {number} tokens, and it has "
                f"{len(doc)} others: tokens were merged or split since, or Span.as_doc has copied "
                "the user data of a longer Doc. Put what changes tokens (e.g. merge_entities) "
                "before the relation extractor, or set doc._.entities again."
            )


def documents_of(doc: Doc, spans: Iterable[Span]) -> List[Optional[Tuple[int, int]]]:
    """The document that each span is of, where `Doc.from_docs` has merged several.

    doc (Doc): The document.
    spans (Iterable[Span]): Spans of it.
    RETURNS (List[Optional[Tuple[int, int]]]): First and end character of the smallest document
        that holds the span; None where none does, or nothing was merged.
    """
    merged = sorted(merged_documents(doc), key=lambda part: part[1] - part[0])
    return [
        next(
            (part for part in merged if part[0] <= span.start_char and span.end_char <= part[1]),
            None,
        )
        for span in spans
    ]


def _is_mark(key: object, name: str = _DOCUMENT) -> bool:
    return isinstance(key, tuple) and key[:2] == ("._.", name)


Span.set_extension(_DOCUMENT, default=None)
Span.set_extension(_BEST_NAME, default=None)
