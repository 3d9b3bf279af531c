"""The components of a pipeline that other rooms look for."""

from typing import Dict, List

from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy_transformers.pipeline_component import Transformer

from .doc_relation_extractor import DocRelationExtractor


def trainable_components(nlp: Language) -> Dict[str, TrainablePipe]:
    """The components of a pipeline that have weights.

    nlp (Language): The pipeline.
    RETURNS (Dict[str, TrainablePipe]): The components, in order, by their names.
    """
    return {
        name: component for name, component in nlp.pipeline if isinstance(component, TrainablePipe)
    }


def transformers(nlp: Language) -> List[Transformer]:
    """The transformers of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (List[Transformer]): The components, in order.
    """
    return [component for _, component in nlp.pipeline if isinstance(component, Transformer)]


def relation_extractors(nlp: Language) -> List[DocRelationExtractor]:
    """The relation extractors of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (List[DocRelationExtractor]): The components, in order; at least one.
    RAISES (ValueError): If there is none.
    """
    extractors = [
        component for _, component in nlp.pipeline if isinstance(component, DocRelationExtractor)
    ]
    if not extractors:
        raise ValueError(
            f"It has no relation extractor. It has: {', '.join(nlp.pipe_names) or 'nothing'}. Name "
            "a pipeline with a doc_relation_extractor."
        )
    return extractors
