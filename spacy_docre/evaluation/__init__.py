"""Evaluation of pipelines and of result files, and reports of it."""
