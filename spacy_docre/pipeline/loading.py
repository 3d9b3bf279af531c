"""Load pipelines from folders and packages."""

from pathlib import Path
from typing import Optional, Union

from spacy.language import Language
from spacy.util import load_model

from ..errors import describe_error
from .components import relation_extractors


def load_pipeline(path: Union[str, Path]) -> Language:
    """Load a pipeline, with one error for every kind of damage.

    path (Union[str, Path]): A package or a folder.
    RETURNS (Language): The pipeline.
    RAISES (OSError): If the pipeline does not exist.
    RAISES (ImportError): If a package is missing.
    RAISES (ValueError): If it cannot be loaded for another reason.
    """
    try:
        return load_model(path)
    except (ImportError, OSError):
        raise
    except Exception as error:
        # For damaged files, components and their libraries raise errors of any class.
        raise ValueError(
            f"The pipeline {path} cannot be loaded. If its files are damaged, copy or train it "
            f"again. ({describe_error(error)})"
        ) from error


def load_extractor(path: Union[str, Path], threshold: Optional[float] = None) -> Language:
    """Load a pipeline with a relation extractor.

    path (Union[str, Path]): A package or a folder.
    threshold (Optional[float]): The threshold to set; None for the pipeline's own.
    RETURNS (Language): The pipeline.
    RAISES (OSError): As `load_pipeline`, and likewise for its other errors.
    RAISES (ValueError): If the pipeline has no relation extractor.
    """
    nlp = load_pipeline(path)
    for extractor in relation_extractors(nlp):
        if threshold is not None:
            extractor.cfg["threshold"] = threshold
    return nlp
