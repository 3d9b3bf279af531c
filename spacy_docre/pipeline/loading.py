"""Pipelines from folders and packages."""

from pathlib import Path
from typing import Union

from spacy.language import Language
from spacy.util import load_model

from ..errors import describe_error


def load_pipeline(path: Union[str, Path]) -> Language:
    """Load a pipeline, with one error for all that may be wrong with it.

    path (Union[str, Path]): A package or a folder.
    RETURNS (Language): The pipeline.
    RAISES (OSError): If there is none.
    RAISES (ImportError): If a package is missing.
    RAISES (ValueError): If it cannot be loaded for another reason.
    """
    try:
        return load_model(path)
    except (ImportError, OSError):
        raise
    except Exception as error:
        # Components and their libraries raise anything for damaged files.
        raise ValueError(
            f"The pipeline {path} cannot be loaded. If its files are damaged, copy or train it "
            f"again. ({describe_error(error)})"
        ) from error
