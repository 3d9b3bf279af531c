"""Mentions as tokens of a Doc, and checks that the Doc still has these tokens."""

import struct
import warnings
from collections import Counter
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

import srsly
from spacy.pipeline import EntityLinker
from spacy.tokens import Doc, Span

# Set on the span of the whole document: the number of its tokens. It is an extension of spans,
# since Doc.from_docs and Span.as_doc move extensions of spans with the characters.
_DOCUMENT = "docre_document"
# Set on a mention that names its entity better than the longest mention. It moves likewise.
_BEST_NAME = "docre_best_name"


def without_space(doc: Doc, start: int, end: int) -> Tuple[int, int]:
    """Trim the white space at the ends of a mention.

    doc (Doc): The document.
    start (int): The first token of the mention.
    end (int): The token after its last.
    RETURNS (Tuple[int, int]): First token and end token without white space. A mention of white
        space alone stays unchanged.
    """
    first = next((index for index in range(start, end) if not doc[index].text.isspace()), None)
    if first is None:
        return start, end
    last = next(index for index in reversed(range(start, end)) if not doc[index].text.isspace())
    return first, last + 1


def distinct_mentions(mentions: Iterable[Span]) -> List[Span]:
    """Remove duplicate mentions of an entity. Mentions with the same tokens are one mention, even
    if their labels or the white space at their ends differ. All sources of entities use this rule.

    mentions (Iterable[Span]): The mentions.
    RETURNS (List[Span]): The first mention of each set of duplicates.
    """
    distinct: Dict[Tuple[int, int], Span] = {}
    for span in mentions:
        distinct.setdefault(without_space(span.doc, span.start, span.end), span)
    return list(distinct.values())


def on_one_line(text: str) -> str:
    """Put a name on one line: replace line breaks and double spaces by single spaces.

    text (str): The name as it stands in a text.
    RETURNS (str): The name, without white space at its ends.
    """
    return " ".join(text.split())


def best_name(mentions: Sequence[Span]) -> str:
    """Find the best name of an entity.

    mentions (Sequence[Span]): Its mentions.
    RETURNS (str): The text of the mention that is marked as the best, else of the longest mention.
        At a tie, the most frequent wins, then the first.
    """
    texts = [on_one_line(span.text) for span in mentions if span._.get(_BEST_NAME)]
    return texts[0] if texts else _longest(mentions)


def mark_best_names(doc: Doc, entities: Iterable[Tuple[Span, Sequence[Span]]]) -> None:
    """Mark the mention that is the best name of its entity, unless it is the longest mention.

    doc (Doc): The document. Its earlier marks are removed.
    entities (Iterable[Tuple[Span, Sequence[Span]]]): The best mention of each entity, and all its
        mentions.
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
    """Find the spans of a group by their characters. When tokens are merged or split, spaCy does
    not change the token numbers in a group.

    doc (Doc): The document.
    key (str): The key of the group in `doc.spans`.
    RETURNS (List[Span]): The spans. A span whose characters are not in the text is left out, and a
        warning says so.
    """
    group = doc.spans[key]
    try:
        spans = [_at_its_characters(span) for span in group]
    except IndexError:
        # If a token number is past the end of the Doc, the spans cannot be read from the group. But
        # they can be read from its serialised form.
        stored = srsly.msgpack_loads(group.to_bytes())["spans"]
        spans = [_find_characters(doc, *_STORED.unpack(data)) for data in stored]
    found = [span for span in spans if span is not None]
    if len(found) < len(spans):
        warnings.warn(
            f"{len(spans) - len(found)} spans of doc.spans[{key!r}] have no characters in the text "
            f"{doc.text[:40]!r}, and are left out. Set the group again, with spans of this Doc.",
            stacklevel=2,
        )
    return found


def ids_in_groups(doc: Doc) -> Set[str]:
    """Collect the ids of the spans of all groups. Such an id holds for its own document only.

    doc (Doc): The document.
    RETURNS (Set[str]): The ids.
    """
    return {span.id_ for key in doc.spans for span in group_spans(doc, key)}


def kb_id(mention: Span) -> str:
    """Return the id that an entity linker gave to a mention.

    mention (Span): The mention.
    RETURNS (str): Its `kb_id_`; "" if it has none, or if the linker found no entity ("NIL").
    """
    return "" if mention.kb_id_ == EntityLinker.NIL else str(mention.kb_id_)


def linked_ids(doc: Doc) -> Dict[Tuple[int, int], str]:
    """Find the linked ids of the mentions in `doc.ents`, from a linker or an entity ruler.

    doc (Doc): The document.
    RETURNS (Dict[Tuple[int, int], str]): The `kb_id_`, else the `ent_id_`, by first and end token.
        An `ent_id_` that a span group has, too, holds for this document only, and is no link.
    """
    local = ids_in_groups(doc)
    return {
        (span.start, span.end): kb_id(span) or ("" if span.ent_id_ in local else str(span.ent_id_))
        for span in doc.ents
    }


def most_linked(mentions: Iterable[Span], linked: Mapping[Tuple[int, int], str]) -> str:
    """Find the linked id of an entity.

    mentions (Iterable[Span]): Its mentions.
    linked (Mapping[Tuple[int, int], str]): The linked ids of the document, from `linked_ids`.
    RETURNS (str): The id of most mentions; at a tie, the first of these ids. "" if no mention has
        an id.
    """
    ids = Counter(
        linked.get((mention.start, mention.end)) or kb_id(mention) for mention in mentions
    )
    del ids[""]
    return ids.most_common(1)[0][0] if ids else ""


def most_labelled(mentions: Iterable[Span]) -> str:
    """Find the label of an entity.

    mentions (Iterable[Span]): Its mentions.
    RETURNS (str): The label of most mentions; at a tie, the first of these labels.
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
    """Store on a Doc its number of tokens, and its first and end character. Data that is stored by
    token numbers holds for these tokens only, and the ids of entities for this document only.

    doc (Doc): The document.
    """
    if len(doc):
        doc[:]._.set(_DOCUMENT, len(doc))


def forget_merged(doc: Doc) -> None:
    """Forget from which documents a Doc was merged. Call this once its entities have new ids, which
    hold for the whole Doc.

    doc (Doc): The document.
    """
    for key in [key for key in doc.user_data if _is_mark(key)]:
        del doc.user_data[key]
    mark_document(doc)


def merged_documents(doc: Doc) -> List[Tuple[int, int]]:
    """Find the documents that `Doc.from_docs` has merged. Only documents with stored entities are
    found.

    doc (Doc): The document.
    RETURNS (List[Tuple[int, int]]): First and end character of each; an empty list if the Doc was
        not merged.
    """
    whole = (doc[:].start_char, doc[:].end_char) if len(doc) else None
    keys: Iterable[Any] = doc.user_data
    parts = [(key[2], key[3]) for key in keys if _is_mark(key)]
    return [part for part in parts if part != whole]


def check_tokens(doc: Doc) -> None:
    """Check that a Doc has the tokens that it had when its entities were stored. A Doc that was
    stored by an earlier version has no mark, and passes.

    doc (Doc): The document.
    RAISES (ValueError): If the tokens have changed.
    """
    if len(doc) and doc[:]._.get(_DOCUMENT) == len(doc):
        return
    for key, number in doc.user_data.items():
        if _is_mark(key):
            raise ValueError(
                f"Entities and relations were stored on this Doc for {number} tokens, and it now "
                f"has {len(doc)} other tokens: tokens were merged or split, or Span.as_doc copied "
                "the user data of a longer Doc. Put components that change tokens (e.g. "
                "merge_entities) before the relation extractor, or set doc._.entities again."
            )


def documents_of(doc: Doc, spans: Iterable[Span]) -> List[Optional[Tuple[int, int]]]:
    """Find the document of each span, in a Doc that `Doc.from_docs` has merged.

    doc (Doc): The merged document.
    spans (Iterable[Span]): Spans of this Doc.
    RETURNS (List[Optional[Tuple[int, int]]]): First and end character of the smallest document
        that holds the span; None if no document holds it, or if the Doc was not merged.
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
