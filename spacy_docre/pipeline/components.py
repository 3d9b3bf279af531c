"""Find components of a pipeline by their kind."""

from typing import Dict, List

from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy_transformers.pipeline_component import Transformer

from .doc_relation_extractor import DocRelationExtractor


def trainable_components(nlp: Language) -> Dict[str, TrainablePipe]:
    """Find the components of a pipeline that can be trained.

    nlp (Language): The pipeline.
    RETURNS (Dict[str, TrainablePipe]): The components by name, in order.
    """
    return {
        name: component for name, component in nlp.pipeline if isinstance(component, TrainablePipe)
    }


def transformers(nlp: Language) -> List[Transformer]:
    """Find the transformers of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (List[Transformer]): The components, in order.
    """
    return [component for _, component in nlp.pipeline if isinstance(component, Transformer)]


def relation_extractors(nlp: Language) -> List[DocRelationExtractor]:
    """Find the relation extractors of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (List[DocRelationExtractor]): The components, in order; at least one.
    RAISES (ValueError): If the pipeline has no relation extractor.
    """
    extractors = [
        component for _, component in nlp.pipeline if isinstance(component, DocRelationExtractor)
    ]
    if not extractors:
        raise ValueError(
            "The pipeline has no relation extractor. It has: "
            f"{', '.join(nlp.pipe_names) or 'nothing'}. Name a pipeline with a "
            "doc_relation_extractor."
        )
    return extractors
