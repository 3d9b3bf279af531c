"""Names and their variants: the rules of the entity clusterer."""

from .rules import NameKey, NameRules, NameTables, make_name_rules

__all__ = ["NameKey", "NameRules", "NameTables", "make_name_rules"]
