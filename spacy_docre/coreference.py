"""Coreference clusters in span groups, and their names."""

import warnings
from typing import Dict, List, Optional, Tuple

from spacy.tokens import Doc, Span
from spacy.util import get_lang_class

from .mentions import group_spans, without_space

# Tokens that may follow a name within its mention.
_ENDINGS = {"'s", "’s", "'", "’"}


def coref_keys(doc: Doc, prefix: str) -> List[str]:
    """List the span groups of a Doc that hold coreference clusters, in the order of their numbers.

    doc (Doc): The document.
    prefix (str): The prefix of their keys.
    RETURNS (List[str]): Their keys.
    """
    keys = [key for key in doc.spans if key.startswith(prefix)]
    return sorted(keys, key=lambda key: _numbered(key, prefix))


def coref_clusters(doc: Doc, prefix: str) -> Dict[str, List[Span]]:
    """Read coreference clusters. If the head of a span is a name in `doc.ents`, this name replaces
    the span.

    The head of a span is the root of its parse, unless a conjunct is joined to it ("Ann and Bo").
    Without a parse, the head is a single name at the end of the span. No function word may stand
    before this name, except as the first word: "the physicist Albert Einstein" has a head, and
    "the wife of Albert Einstein" has not. A name in several clusters belongs to the cluster with
    the shortest span.

    doc (Doc): The document.
    prefix (str): The prefix of the keys of the groups in `doc.spans`.
    RETURNS (Dict[str, List[Span]]): The spans of each group, by its key. A span whose head is not
        known stays unchanged, and a warning says so.
    """
    clusters = {key: group_spans(doc, key) for key in coref_keys(doc, prefix)}
    spans = sorted(
        ((key, span) for key, group in clusters.items() for span in group),
        key=lambda item: len(item[1]),
    )
    ents = doc.ents
    names: Dict[Tuple[str, Span], Span] = {}
    holders: Dict[Span, str] = {}
    unknown = []
    for key, span in spans:
        inside = [ent for ent in ents if span.start <= ent.start and ent.end <= span.end]
        try:
            name = _head_name(span, inside)
        except LookupError:
            unknown.append(span)
            continue
        if name is not None and holders.setdefault(name, key) == key:
            names[key, span] = name
    if unknown:
        warnings.warn(
            f"{len(unknown)} spans of coreference clusters hold names that may not be their heads, "
            f"e.g. {unknown[0].text!r}. They are not taken as mentions of these names. Add a "
            "parser, or make clusters that hold the names alone.",
            stacklevel=2,
        )
    return {
        key: [names.get((key, span), span) for span in group] for key, group in clusters.items()
    }


def _head_name(span: Span, inside: List[Span]) -> Optional[Span]:
    """Find the name that is the head of a span; None if the head is another word.

    RAISES (LookupError): If the head is not known.
    """
    for name in inside:
        if (name.start, name.end) == without_space(span.doc, span.start, span.end):
            return name
    if not inside:
        return None
    if span.doc.has_annotation("DEP"):
        root = span.root
        if any(token in span for token in root.conjuncts):
            return None
        return next((name for name in inside if name.start <= root.i < name.end), None)
    (name, *others) = inside
    before = span.doc[span.start : name.start]
    after = span.doc[name.end : span.end]
    function_words = get_lang_class(span.doc.vocab.lang or "en").Defaults.stop_words
    if (
        others
        or not function_words
        or any(token.lower_ in function_words for token in before[1:])
        or any(not token.is_punct and token.text not in _ENDINGS for token in after)
    ):
        raise LookupError
    return name


def _numbered(key: str, prefix: str) -> Tuple[int, str]:
    """Sort coref_clusters_10 after coref_clusters_2."""
    number = key[len(prefix) :].strip("_")
    return (int(number) if number.isdigit() else 0, key)
