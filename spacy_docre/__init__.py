"""Document-level relation extraction for spaCy."""

from . import display
from .annotations import Entity, Relation, Triple

__all__ = ["Entity", "Relation", "Triple", "display"]
__version__ = "0.2.0"
