"""Names and their variants: the rules of the entity clusterer."""

from .grouping import NameGroups
from .rules import NameKey, NameRules, NameTables, make_name_rules

__all__ = ["NameGroups", "NameKey", "NameRules", "NameTables", "make_name_rules"]
