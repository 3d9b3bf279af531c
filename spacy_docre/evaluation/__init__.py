"""Evaluation of pipelines and of result files: metrics of triples, and reports."""
