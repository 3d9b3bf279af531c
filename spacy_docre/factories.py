"""Components of a pipeline. Ours are told by their factories: their classes would bring
transformers into every spaCy command, which all load this package."""

from typing import Dict, List, cast

from spacy.language import Language
from spacy.pipeline import Pipe, TrainablePipe

RELATION_EXTRACTOR = "doc_relation_extractor"
TRANSFORMER = "transformer"


def made_by(nlp: Language, factory: str) -> List[Pipe]:
    """The components of a pipeline that a factory has made.

    nlp (Language): The pipeline.
    factory (str): The factory's name.
    RETURNS (List[Pipe]): The components, in order.
    """
    return [
        cast(Pipe, component)
        for name, component in nlp.pipeline
        if nlp.get_pipe_meta(name).factory == factory
    ]


def trainable_components(nlp: Language) -> Dict[str, TrainablePipe]:
    """The components of a pipeline that have weights.

    nlp (Language): The pipeline.
    RETURNS (Dict[str, TrainablePipe]): The components, in order, by their names.
    """
    return {
        name: component for name, component in nlp.pipeline if isinstance(component, TrainablePipe)
    }


def relation_extractors(nlp: Language) -> List[Pipe]:
    """The relation extractors of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (List[Pipe]): Them, in order; at least one.
    RAISES (ValueError): If it has none.
    """
    extractors = made_by(nlp, RELATION_EXTRACTOR)
    if not extractors:
        raise ValueError(
            f"It has no relation extractor. It has: {', '.join(nlp.pipe_names) or 'nothing'}. Name "
            f"a pipeline with a {RELATION_EXTRACTOR}."
        )
    return extractors
