"""Documents and their relations as HTML."""

from .render import render

__all__ = ["render"]
