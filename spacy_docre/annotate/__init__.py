"""Batch annotation: documents from files, through a pipeline, to files."""

from .annotator import Annotator

__all__ = ["Annotator"]
