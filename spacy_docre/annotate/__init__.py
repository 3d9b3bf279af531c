"""Batch annotation: documents from files, through a pipeline, to files."""
