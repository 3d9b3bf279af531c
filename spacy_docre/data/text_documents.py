"""Documents of annotation tools: a text, mentions by characters, links between mentions.

The parser of each tool yields such documents, and `read_text_documents` makes Docs of them. For
writing, `text_documents` makes such documents of Docs.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from spacy.tokens import Doc
from spacy.util import filter_spans, get_lang_class
from spacy.vocab import Vocab

from ..annotations import Triple, document_title, has_partial_relations, has_relations
from ..mentions import linked_ids, most_linked, on_one_line
from .divided_text import DividedText, trimmed
from .doubts import Doubts
from .gold_annotations import Mention, set_gold_annotations

COREF = "COREF"
# The label of a mention without a label, for tools that need one.
NO_LABEL = "ENTITY"


@dataclass(frozen=True)
class TextMention:
    """A mention.

    start (int): Its first character.
    end (int): Its end character.
    label (str): Its label.
    kb_id (str): Its linked id.
    is_concept (bool): Whether all mentions with this id are one entity.
    """

    start: int
    end: int
    label: str = ""
    kb_id: str = ""
    is_concept: bool = False


@dataclass(frozen=True)
class Link:
    """A relation between two mentions.

    head (int): The index of its head in the mentions.
    tail (int): The index of its tail in the mentions.
    label (str): The relation.
    score (float): Its probability.
    """

    head: int
    tail: int
    label: str
    score: float = 1.0


@dataclass
class TextDocument:
    """A document.

    where (str): Its name in errors.
    text (str): Its text.
    mentions (List[TextMention]): Its mentions.
    links (Optional[List[Link]]): Its relations; None if nobody has annotated them.
    same (List[Tuple[int, int]]): Pairs of mentions of one entity, by their indices.
    names (Dict[str, Any]): Its `title`, `id` or both.
    """

    where: str
    text: str
    mentions: List[TextMention] = field(default_factory=list)
    links: Optional[List[Link]] = field(default_factory=list)
    same: List[Tuple[int, int]] = field(default_factory=list)
    names: Dict[str, Any] = field(default_factory=dict)


def group_mentions(identities: Sequence[Hashable], same: Iterable[Tuple[int, int]]) -> List[int]:
    """Group mentions into entities.

    identities (Sequence[Hashable]): The identity of each mention. Mentions with the same identity
        are one entity.
    same (Iterable[Tuple[int, int]]): Further pairs of mentions of one entity, by their indices.
    RETURNS (List[int]): The number of each mention's entity. Entities are numbered in the order of
        their first mentions.
    """
    groups = list(identities)
    for first, second in same:
        kept, merged = groups[first], groups[second]
        if kept != merged:
            groups = [kept if group == merged else group for group in groups]
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return [numbers[group] for group in groups]


def text_identity(text: str, label: Optional[str]) -> Hashable:
    """Make the identity that mentions of the same text and label share. Case is ignored.

    text (str): The text of a mention.
    label (Optional[str]): Its label.
    RETURNS (Hashable): The identity.
    """
    return on_one_line(text).casefold(), label


def read_text_documents(
    path: Path,
    parse: Callable[[Path, Doubts], Iterable[TextDocument]],
    vocab: Vocab,
    *,
    names: Mapping[str, str] = {},
    lang: str = "en",
    coref_label: str = COREF,
    by_text: bool = True,
) -> Iterator[Doc]:
    """Read the Docs of a tool's file.

    The tokens are those of the language's tokenizer, divided where mentions begin and end. White
    space at the ends of a mention is left out of the mention. If no document of the file has a
    relation, the relations of all documents are unknown, not empty.

    path (Path): The file, or the folder.
    parse (Callable[[Path, Doubts], Iterable[TextDocument]]): The parser of the tool.
    vocab (Vocab): The vocabulary of the Docs.
    names (Mapping[str, str]): Readable names of the relations, by label.
    lang (str): The language of the texts.
    coref_label (str): The label of the relations that are coreference.
    by_text (bool): Whether mentions of the same text and label are one entity. If not, only
        coreference and ids connect mentions.
    YIELDS (Doc): The Docs, with gold entities and relations. A warning at the end lists what is
        doubtful, and what is left out.
    RAISES (ValueError): If the file is malformed.
    """
    # This pass ends at the first relation.
    has_relations = any(
        link.label != coref_label
        for document in parse(path, Doubts(path))
        for link in document.links or ()
    )
    doubts = Doubts(path)
    tokenize = get_lang_class(lang)().make_doc
    for document in parse(path, doubts):
        links = document.links or []
        document.same += [(link.head, link.tail) for link in links if link.label == coref_label]
        if document.links is not None:
            others = [link for link in links if link.label != coref_label]
            document.links = others if has_relations else None
        yield _make_doc(document, vocab, tokenize, names, by_text, doubts)
    doubts.warn()


def _make_doc(
    document: TextDocument,
    vocab: Vocab,
    tokenize: Callable[[str], Doc],
    names: Mapping[str, str],
    by_text: bool,
    doubts: Doubts,
) -> Doc:
    text = document.text
    ranges = [_range(document, mention) for mention in document.mentions]
    divided = DividedText(text, tokenize, ranges)
    doc = Doc(vocab, words=divided.words, spaces=divided.spaces)
    doc.user_data.update(document.names)
    identities: List[Hashable] = []
    for number, ((start, end), mention) in enumerate(zip(ranges, document.mentions, strict=True)):
        by_name = text_identity(text[start:end], mention.label) if by_text else number
        identities.append(mention.kb_id if mention.is_concept else by_name)
    groups = group_mentions(identities, document.same)
    entities: List[List[Mention]] = [[] for _ in set(groups)]
    for group, (start, end), mention in zip(groups, ranges, document.mentions, strict=True):
        entities[group].append((*divided.tokens(start, end), mention.label, mention.kb_id))
    triples: Dict[Triple, None] = {}
    for link in document.links or ():
        head, tail = groups[link.head], groups[link.tail]
        if head == tail:
            doubts.add(
                "relations are left out because head and tail are one entity: by an id, by "
                "coreference, or by their text and label (which --by-coref keeps apart)",
                f"{document.where}, {link.label} of {text[slice(*ranges[link.head])]!r}",
            )
            continue
        triples[Triple(head, tail, link.label, name=names.get(link.label, ""))] = None
    set_gold_annotations(doc, entities, None if document.links is None else triples)
    return doc


def _range(document: TextDocument, mention: TextMention) -> Tuple[int, int]:
    start, end = mention.start, mention.end
    if not 0 <= start < end <= len(document.text):
        raise ValueError(
            f"{document.where}: a mention has the characters {start} to {end}, but the text has "
            f"{len(document.text)}. Export text and annotations together, from the same version."
        )
    return trimmed(document.text, start, end)


def text_documents(
    docs: Iterable[Doc],
    doubts: Doubts,
    *,
    has_ids: bool = False,
    has_scores: bool = False,
    has_unknown: bool = True,
    may_overlap: bool = True,
) -> Iterator[Tuple[Doc, TextDocument]]:
    """Make documents of Docs, so that a tool can show and correct them.

    docs (Iterable[Doc]): The Docs, with entities and relations. A relation becomes a link between
        the first mentions of its entities.
    doubts (Doubts): Collects what the tool cannot hold, and warns at the end.
    has_ids (bool): Whether the tool holds linked ids.
    has_scores (bool): Whether the tool holds scores of relations.
    has_unknown (bool): Whether the tool tells documents whose relations nobody has annotated from
        documents without relations.
    may_overlap (bool): Whether mentions may overlap.
    YIELDS (Tuple[Doc, TextDocument]): Each Doc, and its document.
    """
    for number, doc in enumerate(docs):
        where = repr(document_title(doc, number))
        fields: Dict[str, Any] = {
            key: doc.user_data[key] for key in ("title", "id") if key in doc.user_data
        }
        document = TextDocument(where, doc.text, names=fields)
        first = _add_mentions(document, doc, doubts, has_ids, may_overlap)
        _add_links(document, doc, doubts, has_scores, first)
        if document.links is None and not has_unknown:
            doubts.add(
                "documents have no annotated relations: if others of the output have relations, "
                "these are read back as documents without relations",
                where,
            )
        yield doc, document
    doubts.warn()


def _add_mentions(
    document: TextDocument, doc: Doc, doubts: Doubts, has_ids: bool, may_overlap: bool
) -> Dict[int, int]:
    """Add the mentions of a Doc, and return the index of each entity's first mention."""
    first: Dict[int, int] = {}
    # Not `Entity.id`, which searches all of doc.ents.
    linked = linked_ids(doc)
    ids = {entity.index: most_linked(entity.mentions, linked) for entity in doc._.entities}
    spans = [(entity, span) for entity in doc._.entities for span in entity.mentions]
    if not may_overlap:
        # Of equal spans, the first is kept. Spans are compared by tokens: each access to a Doc
        # makes a new Span.
        kept = {(span.start, span.end) for span in filter_spans(span for _, span in spans)}
        taken = {(span.start, span.end): entity for entity, span in reversed(spans)}
        lapping = [
            (entity, span)
            for entity, span in spans
            if (span.start, span.end) not in kept or taken[span.start, span.end] != entity
        ]
        for _, span in lapping:
            doubts.add(
                "mentions overlap others, and are left out", f"{document.where}, {span.text!r}"
            )
        spans = [item for item in spans if item not in lapping]
    for entity, span in spans:
        if not span.label_:
            doubts.add(
                f"mentions have no label, and get the label {NO_LABEL} here",
                f"{document.where}, {span.text!r}",
            )
        if ids[entity.index] and not has_ids:
            doubts.add("mentions have a linked id, which is left out", document.where)
        kb_id = ids[entity.index] if has_ids else ""
        index = len(document.mentions)
        document.mentions.append(
            TextMention(span.start_char, span.end_char, span.label_ or NO_LABEL, kb_id)
        )
        if first.setdefault(entity.index, index) != index:
            document.same.append((index, first[entity.index]))
    return first


def _add_links(
    document: TextDocument, doc: Doc, doubts: Doubts, has_scores: bool, first: Mapping[int, int]
) -> None:
    links: List[Link] = []
    for relation in doc._.relations:
        triple = relation.triple
        told = f"{document.where}, {triple.label}"
        if triple.head not in first or triple.tail not in first:
            doubts.add("relations connect mentions that are left out, and are left out", told)
            continue
        if triple.score != 1 and not has_scores:
            doubts.add("relations have a score, which is left out", told)
        if triple.evidence:
            doubts.add("relations have evidence, which is left out", told)
        if triple.name:
            doubts.add(
                "relations have a readable name, which is left out: give --names again when they "
                "are read back",
                told,
            )
        links.append(Link(first[triple.head], first[triple.tail], triple.label, triple.score))
    if has_partial_relations(doc):
        doubts.add(
            "documents have partial relations, which is left out: give --partial when they are "
            "read back",
            document.where,
        )
    document.links = links if has_relations(doc) else None


def with_coreference(document: TextDocument, coref_label: str) -> List[Link]:
    """Return the links of a document, with coreference as further links.

    document (TextDocument): The document.
    coref_label (str): The label of links that are coreference.
    RETURNS (List[Link]): All links.
    RAISES (ValueError): If a relation has this label.
    """
    links = document.links or []
    if any(link.label == coref_label for link in links):
        raise ValueError(
            f"{document.where} has a relation with the label {coref_label!r}, which is the label "
            "of coreference. Set another --coref-label."
        )
    return [*links, *(Link(mention, first, coref_label) for mention, first in document.same)]
