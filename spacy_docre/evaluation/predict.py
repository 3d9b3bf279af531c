"""The answers of a pipeline to documents whose entities are known."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab

from ..alignment import GoldAlignment, mention_indices
from ..annotations import document_title
from ..data.corpus_files import read_docs
from ..data.gold_annotations import make_example
from ..entity_sources import give_entities, gold_entities, gold_entities_or_none
from ..models.attention import release_attention
from ..pipeline.components import relation_extractors
from ..pipeline.doc_relation_extractor import DocRelationExtractor
from ..stored import get_triples
from .answers import Answers, to_answers
from .gold import add_titled

# The lowest score of candidates, for precision and recall over the threshold.
LOWEST = 0.05

# A component that finds entities assigns one of these.
_ENTITY_ATTRIBUTES = ("doc.ents", "doc.spans")


@dataclass
class _Question:
    """The data that goes with a document through the pipeline.

    title (str): The title.
    reference (Doc): The gold document.
    alignment (Optional[GoldAlignment]): The entities of both documents, as the extractor had them.
    less_probable (Answers): The triples that the extractor scores at its threshold or below.
    """

    title: str
    reference: Doc
    alignment: Optional[GoldAlignment] = None
    less_probable: Answers = field(default_factory=dict)

    def answers(self, doc: Doc) -> Answers:
        """The relations that the document has at the end of the pipeline."""
        entities = [entity.mentions for entity in doc._.entities]
        alignment = self.alignment
        if (
            alignment is None
            or doc is not alignment.example.predicted
            or _indices(entities) != _indices(alignment.predicted)
        ):
            # A component after the extractor has changed the document.
            alignment = GoldAlignment(Example(doc, self.reference), entities)
        triples = get_triples(doc)
        return to_answers(alignment, self.title, triples)


def read_documents(path: Path, vocab: Vocab, *, lang: str = "en") -> Dict[str, Doc]:
    """Read the documents that a pipeline should answer. Their relations are ignored.

    path (Path): A JSON file in DocRED's format, a `.spacy` file, or a folder of `.spacy` files.
    vocab (Vocab): The vocabulary of the documents.
    lang (str): The language of a JSON file.
    RETURNS (Dict[str, Doc]): The documents, by title.
    RAISES (ValueError): If there are no documents, if a document has no entities, if two documents
        have the same title, or if the file is malformed.
    """
    docs: Dict[str, Doc] = {}
    for number, doc in enumerate(read_docs(path, vocab, lang=lang), start=1):
        title = document_title(doc, number)
        if gold_entities_or_none(doc) is None:
            raise ValueError(
                f"The document {title!r} of {path} has no entities, but an answer names head and "
                "tail by their entity numbers. Give documents with entities: vertexSet in "
                "DocRED's JSON; doc._.entities, the span group 'entities' or doc.ents in a .spacy "
                "file. 'docre annotate' lets the pipeline find them."
            )
        add_titled(docs, title, doc, path)
    if not docs:
        raise ValueError(f"{path} has no documents.")
    return docs


def predict_answers(
    nlp: Language,
    docs: Mapping[str, Doc],
    *,
    with_gold_entities: bool = True,
    batch_size: int = 32,
) -> Iterator[Tuple[Answers, Answers]]:
    """Predict the relations of documents, one document after the other. The pipeline and its
    settings stay unchanged.

    nlp (Language): The pipeline.
    docs (Mapping[str, Doc]): The documents, with gold entities, by title. Gold relations are
        ignored.
    with_gold_entities (bool): Whether the pipeline gets the gold entities. If so, components that
        find entities are left out. If not, the pipeline finds the entities itself.
    batch_size (int): Documents at a time.
    YIELDS (Tuple[Answers, Answers]): The answers for a document, and the answers together with the
        less probable triples of the last relation extractor. An entity that is not in gold has a
        negative index. A document that an error handler has removed is left out.
    RAISES (ValueError): If the pipeline has no relation extractor, or if a component changes the
        tokens of documents with gold entities.
    """
    # A document ends with the relations of the last extractor.
    extractor = relation_extractors(nlp)[-1]
    names = [name for name, _ in nlp.pipeline]
    index = [component is extractor for _, component in nlp.pipeline].index(True)
    left_out = _entity_finders(nlp) if with_gold_entities else []
    before, after = ([*names[index:], *left_out], [*names[: index + 1], *left_out])
    stream = nlp.pipe(
        _questions(nlp, docs, with_gold_entities),
        as_tuples=True,
        batch_size=batch_size,
        disable=before,
    )
    if with_gold_entities:
        stream = map(_with_same_tokens, stream)
    extracted = _extract(extractor, stream)
    for doc, question in nlp.pipe(extracted, as_tuples=True, batch_size=batch_size, disable=after):
        answers = question.answers(doc)
        yield answers, {**question.less_probable, **answers}


def _entity_finders(nlp: Language) -> List[str]:
    """The components that find entities. Components that use these entities could change the
    document."""
    return [
        name
        for name in nlp.pipe_names
        if set(nlp.get_pipe_meta(name).assigns) & set(_ENTITY_ATTRIBUTES)
    ]


def _questions(
    nlp: Language, docs: Mapping[str, Doc], with_gold_entities: bool
) -> Iterator[Tuple[Doc, _Question]]:
    for title, doc in docs.items():
        # In the pipeline's own vocabulary: in another one, words have no spelling.
        example = make_example(Doc(nlp.vocab).from_bytes(doc.to_bytes()))
        if with_gold_entities:
            give_entities(example.predicted, gold_entities(example.reference))
        else:
            example.predicted.spans.clear()
        yield example.predicted, _Question(title, example.reference)


def _with_same_tokens(item: Tuple[Doc, _Question]) -> Tuple[Doc, _Question]:
    """Raise an error if the tokens differ from those of the gold entities."""
    doc, question = item
    if [token.text for token in doc] != [token.text for token in question.reference]:
        raise ValueError(
            f"A component changes the tokens of {question.title!r}, so that gold entities have no "
            "place in the document. Remove the component, or let the pipeline find the entities: "
            "--find-entities."
        )
    return doc, question


def _extract(
    extractor: DocRelationExtractor, stream: Iterable[Tuple[Doc, _Question]]
) -> Iterator[Tuple[Doc, _Question]]:
    """Let the extractor annotate documents, as its own `pipe` does, and keep the less probable
    triples."""
    handle_error = extractor.get_error_handler()
    threshold = extractor.cfg["threshold"]
    for doc, question in stream:
        try:
            (prediction,) = extractor.predict([doc])
            extractor.set_annotations([doc], [prediction])
        except Exception as error:
            handle_error(extractor.name, extractor, [doc], error)
            continue
        # Even if the extractor keeps the attention for `nlp.evaluate`: it is large.
        release_attention(doc)
        candidates = extractor.decode(prediction, threshold=min(LOWEST, threshold))
        question.alignment = GoldAlignment(
            Example(doc, question.reference), prediction.document.entities
        )
        question.less_probable = to_answers(
            question.alignment,
            question.title,
            [triple for triple in candidates if triple.score <= threshold],
        )
        yield doc, question


def _indices(entities: Iterable[Sequence[Span]]) -> List[FrozenSet[Tuple[int, int]]]:
    return [mention_indices(mentions) for mentions in entities]
