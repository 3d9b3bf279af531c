"""The JSONL format of Prodigy's rel.manual, and of its other recipes that annotate spans."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Hashable, Iterator, List, Mapping, Optional, Set, Union
from typing import Counter as CounterType

from spacy.tokens import Doc
from spacy.util import get_lang_class
from spacy.vocab import Vocab

from ..annotations import Triple, has_entities, has_relations
from ..stored import get_triples
from .corpus_files import plain_text
from .doubts import Doubts
from .gold_annotations import Mention, set_gold_annotations
from .json_files import parse_json_lines
from .prodigy_records import FIELDS, Example, TokenRecord, read_example
from .text_documents import COREF, group_mentions, text_identity
from .validation import invalid

ACCEPT = "accept"
_UNUSABLE = "accepted examples cannot be used, and are left out"
_REPEATED = "texts are there again with other annotations, and all of them are kept"

Tokenize = Callable[[str], List[TokenRecord]]


def read_prodigy(
    path: Union[str, Path],
    vocab: Vocab,
    *,
    names: Mapping[str, str] = {},
    coref_label: str = COREF,
    by_text: bool = True,
    lang: str = "en",
    answers: Optional[CounterType[str]] = None,
) -> Iterator[Doc]:
    """Read the accepted examples of a Prodigy dataset.

    Spans that a coreference relation connects are mentions of one entity, and so are spans of the
    same text and label, whatever their case. Words without a span that a relation connects are
    mentions without a label. Where an example has no "relations", or null, nobody has annotated
    them, and where it has no "spans" either, nor entities. One that has no tokens is cut into those
    of the language, and at the ends of its spans.

    path (Union[str, Path]): The JSONL file.
    vocab (Vocab): The vocabulary of the documents.
    names (Mapping[str, str]): Readable names of the relations, by label.
    coref_label (str): The label of the relations that are coreference; they are not
        relations of the document.
    by_text (bool): Whether spans of the same text and label are one entity; else only coreference
        connects spans, as where father and son have one name.
    lang (str): The language of examples without tokens.
    answers (Optional[Counter[str]]): Is told how many examples there are of each answer;
        those that are not "accept" are skipped.
    YIELDS (Doc): The documents, with gold entities and relations. A warning tells of accepted
        examples that cannot be used, and of texts that are there again with other annotations.
    RAISES (ValueError): If a line is not JSON, or no accepted example can be used.
    """
    path = Path(path)
    answers = Counter() if answers is None else answers
    doubts = Doubts(path)
    tokenize = _tokenizer(lang)
    seen: Dict[str, Dict[str, Hashable]] = {}
    num_accepted = 0
    labels: Set[str] = set()
    for where, data in parse_json_lines(path):
        try:
            answer = _answer(data, where)
            answers[answer] += 1
            if answer != ACCEPT:
                continue
            num_accepted += 1
            example = read_example(data, where, tokenize)
            labels.update(link.label for link in example.links)
            doc = _make_doc(example, vocab, _names(data))
            _annotate(doc, example, names, coref_label, by_text)
        except ValueError as error:
            doubts.add(_UNUSABLE, str(error))
            continue
        if _differs(seen, doc):
            doubts.add(_REPEATED, f"{where}, {doc.text[:40]!r}")
        yield doc
    if doubts.found[_UNUSABLE] and doubts.found[_UNUSABLE] >= num_accepted:
        raise ValueError(f"{path} has no example that can be used: {doubts.tell(_UNUSABLE)}.")
    doubts.warn()
    _warn_of_label(path, coref_label, labels)


def _warn_of_label(path: Path, coref_label: str, labels: Set[str]) -> None:
    if coref_label not in {COREF, *labels}:
        warnings.warn(
            f"{path} has no relation with the label {coref_label!r}, which was to be coreference. "
            f"It has: {', '.join(sorted(labels)) or 'none'}.",
            stacklevel=3,
        )


def _answer(data: Any, where: str) -> str:
    """The answer of an example; one that has none is accepted."""
    answer = data.get("answer") if isinstance(data, dict) else None
    if answer is None:
        return ACCEPT
    if not isinstance(answer, str):
        raise invalid(where, ("answer",), f"it is {answer!r}", FIELDS)
    return answer


def _names(data: Mapping[str, Any]) -> Dict[str, Any]:
    """What `write_prodigy` says of what an example is called."""
    meta = data.get("meta")
    fields = meta if isinstance(meta, dict) else {}
    return {key: fields[key] for key in ("title", "id") if fields.get(key)}


def _tokenizer(lang: str) -> Tokenize:
    tokenizer: Any = None

    def tokenize(text: str) -> List[TokenRecord]:
        nonlocal tokenizer
        # Made where an example needs it: some languages take other packages.
        tokenizer = tokenizer or get_lang_class(lang)().tokenizer
        return [
            TokenRecord(text=token.text, start=token.idx, end=token.idx + len(token))
            for token in tokenizer(text)
        ]

    return tokenize


def _make_doc(example: Example, vocab: Vocab, names: Dict[str, Any]) -> Doc:
    tokens = example.tokens
    starts = [*(token.start for token in tokens), len(example.text)]
    return Doc(
        vocab,
        words=[token.text for token in tokens],
        spaces=[token.end < start for token, start in zip(tokens, starts[1:], strict=True)],
        user_data=names,
    )


def _annotate(
    doc: Doc, example: Example, names: Mapping[str, str], coref_label: str, by_text: bool
) -> None:
    identities: List[Hashable] = [
        text_identity(doc[start:end].text, label) if by_text else (start, end)
        for start, end, label in example.spans
    ]
    coreference = [(link.head, link.child) for link in example.links if link.label == coref_label]
    groups = group_mentions(identities, coreference)
    entities: List[List[Mention]] = [[] for _ in set(groups)]
    for group, (start, end, label) in zip(groups, example.spans, strict=True):
        entities[group].append((start, end, label or ""))
    triples = []
    for link in example.links:
        if link.label == coref_label:
            continue
        head, child = groups[link.head], groups[link.child]
        if head == child:
            raise invalid(
                example.where,
                link.child_field,
                "head and child are the same entity: they have the same text and label (which "
                f"--by-coref keeps apart), or {coref_label} connects them",
                FIELDS,
            )
        triples.append(Triple(head, child, link.label, name=names.get(link.label, "")))
    set_gold_annotations(
        doc,
        # Without spans, those of the relations are known, if there are any.
        entities if example.has_spans or entities else None,
        # Relations of the same two entities between other mentions are one.
        list(dict.fromkeys(triples)) if example.has_relations else None,
    )


def _differs(seen: Dict[str, Dict[str, Hashable]], doc: Doc) -> bool:
    """Whether a text was there before with other annotations; those that are missing are not
    others."""
    entities = [frozenset((m.start, m.end, m.label_) for m in e.mentions) for e in doc._.entities]
    found: Dict[str, Hashable] = {}
    if has_entities(doc):
        found["entities"] = hash(frozenset(entities))
    if has_relations(doc):
        triples = get_triples(doc)
        found["relations"] = hash(
            frozenset((entities[t.head], entities[t.tail], t.label) for t in triples)
        )
    known = seen.setdefault(plain_text(doc), {})
    differs = any(known.get(field, value) != value for field, value in found.items())
    known.update(found)
    return differs
