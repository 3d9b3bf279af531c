"""The answers of a pipeline to annotated documents."""

from typing import Any, Dict, Iterator, List, Mapping, Tuple, cast

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..data.gold_annotations import make_example
from ..data.sentences import sentence_numbers
from ..entity_sources import make_default_entities
from ..pipeline.components import relation_extractors, transformers
from .answers import Answer, Answers, above
from .gold import evidence_sentences
from .relations import ScoredTriple
from .scorer import places_in_gold

# What sets these would put other entities in the place of the given ones.
_ENTITIES = ("doc.ents", "doc.spans")

# For precision and recall over the threshold; what is less probable is not asked for.
LOWEST = 0.05


def predict_answers(
    nlp: Language,
    docs: Mapping[str, Doc],
    *,
    find_entities: bool = False,
    batch_size: int = 32,
) -> Iterator[Tuple[Answers, Answers]]:
    """Ask a pipeline for the relations of annotated documents, one document after the other.

    nlp (Language): The pipeline. Its settings are changed: relations below its threshold are
        found, too, and entities are read from where they are given.
    docs (Mapping[str, Doc]): The documents, with gold entities, by title.
    find_entities (bool): Whether the pipeline finds the entities itself. Else they are given to
        it, and components that would set entities are left out.
    batch_size (int): Documents at a time.
    YIELDS (Tuple[Answers, Answers]): What the pipeline answers for a document, and that together
        with what is less probable than its threshold. An entity that is not in gold has a
        negative place.
    """
    extractors: List[Any] = relation_extractors(nlp)
    # The last one's relations are those that a document ends with.
    threshold = extractors[-1].cfg["threshold"]
    for extractor in extractors:
        extractor.cfg["threshold"] = min(LOWEST, threshold)
    if not find_entities:
        _read_given_entities(nlp)
    left_out = [] if find_entities else _set_entities(nlp)
    # Of the pipeline's own vocabulary, which knows how words are spelled.
    examples = {
        title: make_example(Doc(nlp.vocab).from_bytes(doc.to_bytes()))
        for title, doc in docs.items()
    }
    for example in examples.values() if find_entities else ():
        example.predicted.spans.clear()
    with nlp.select_pipes(disable=left_out):
        predicted = nlp.pipe(
            (example.predicted for example in examples.values()), batch_size=batch_size
        )
        for (title, example), doc in zip(examples.items(), predicted):
            candidates = _answers(title, Example(doc, example.reference))
            yield above(candidates, threshold), candidates


def _read_given_entities(nlp: Language) -> None:
    """Let all that reads entities read the given ones."""
    for extractor in relation_extractors(nlp):
        cast(Any, extractor).get_entities = make_default_entities()
    for transformer in transformers(nlp):
        markers = getattr(cast(Any, transformer).model, "mention_markers", None)
        if markers is not None:
            markers.entities = make_default_entities()


def _set_entities(nlp: Language) -> List[str]:
    """The components that set entities."""
    return [
        name for name in nlp.pipe_names if set(nlp.get_pipe_meta(name).assigns) & set(_ENTITIES)
    ]


def _answers(title: str, example: Example) -> Answers:
    doc = example.predicted
    # Tokens are the same; gold may number sentences otherwise, where its file has empty ones.
    places, numbers = places_in_gold(example), sentence_numbers(example.reference)
    answers: Dict[ScoredTriple, Answer] = {}
    for relation in doc._.relations:
        triple = ScoredTriple(
            title, places[relation.head.index], places[relation.tail.index], relation.label_
        )
        answers[triple] = Answer(evidence_sentences(relation, numbers), relation.score)
    return answers
