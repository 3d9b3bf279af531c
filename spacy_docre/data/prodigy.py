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
_REPEATED = "texts occur again with other annotations, and all of them are kept"

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

    Spans that a coreference relation connects are mentions of one entity. So are spans of the same
    text and label, in any case. Words outside all spans are a mention without a label if a relation
    connects them. If an example has no "relations", or null, nobody has annotated relations. If it
    has no "spans" either, nobody has annotated entities. An example without tokens gets the tokens
    of the language, cut where its spans begin and end.

    path (Union[str, Path]): The JSONL file.
    vocab (Vocab): The vocabulary of the documents.
    names (Mapping[str, str]): Readable names of the relations, by label.
    coref_label (str): The label of relations that are coreference. These do not become relations
        of the document.
    by_text (bool): Whether spans of the same text and label are one entity. If not, only
        coreference connects spans: a father and a son, for example, may have the same name.
    lang (str): The language of examples without tokens.
    answers (Optional[Counter[str]]): Gets the number of examples with each answer. Examples
        whose answer is not "accept" are skipped.
    YIELDS (Doc): The documents, with gold entities and relations. A warning lists accepted
        examples that cannot be used, and texts that occur again with other annotations.
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
            f"{path} has no relation with the label {coref_label!r}, which is set as the label of "
            f"coreference. It has: {', '.join(sorted(labels)) or 'none'}.",
            stacklevel=3,
        )


def _answer(data: Any, where: str) -> str:
    """The answer of an example. An example without an answer is accepted."""
    answer = data.get("answer") if isinstance(data, dict) else None
    if answer is None:
        return ACCEPT
    if not isinstance(answer, str):
        raise invalid(where, ("answer",), f"it is {answer!r}", FIELDS)
    return answer


def _names(data: Mapping[str, Any]) -> Dict[str, Any]:
    """The title and id of an example, where `write_prodigy` puts them."""
    meta = data.get("meta")
    fields = meta if isinstance(meta, dict) else {}
    return {key: fields[key] for key in ("title", "id") if fields.get(key)}


def _tokenizer(lang: str) -> Tokenize:
    tokenizer: Any = None

    def tokenize(text: str) -> List[TokenRecord]:
        nonlocal tokenizer
        # Made when an example needs it: some languages need further packages.
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
        # Without annotated spans, only the spans of relations are known, if there are any.
        entities if example.has_spans or entities else None,
        # Links of one label between the same two entities are one relation.
        list(dict.fromkeys(triples)) if example.has_relations else None,
    )


def _differs(seen: Dict[str, Dict[str, Hashable]], doc: Doc) -> bool:
    """Whether the text occurred before with other annotations. Missing annotations do not count
    as other ones."""
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
