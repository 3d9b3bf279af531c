"""Document-level relation extraction for spaCy."""

from .relations import Entity, Relation, Triple

__all__ = ["Entity", "Relation", "Triple"]
__version__ = "0.1.0"
