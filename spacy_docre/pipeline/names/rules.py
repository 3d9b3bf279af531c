"""Which mentions are the same name: the tables of a language, and the rules that read them."""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Dict, FrozenSet, Iterable, List, Optional, Set

import srsly
from pydantic import BaseModel, Field, ValidationError

from .appositions import Appositions
from .name_words import joined_letters, split_words
from .short_forms import ABBREVIATIONS, SHORT_FORMS, Name, ShortForm

_TABLES = Path(__file__).parent
# "A. Lane" begins with no determiner.
_INITIAL = re.compile(r"\s*\w\s?\.")


class NameTables(BaseModel, extra="forbid"):
    """Tables of names and of the words around them. A table by kind has an entry for each kind of
    name. A kind is a label, or the label that `kinds` gives for it.

    determiners (List[str]): Words that may stand before any name.
    titles (Dict[str, List[str]]): Words that may stand before a name, by kind.
    designators (Dict[str, List[str]]): Words that may stand after a name, by kind.
    aliases (Dict[str, List[List[str]]]): Lists of names of the same entity, by kind.
    demonyms (Dict[str, Dict[str, List[str]]]): The adjectives and the people of each place, by
        kind. A demonym may also name a language. It is not the best name of a place that the
        document names.
    small_words (List[str]): Words that an acronym may leave out.
    short_forms (Dict[str, List[str]]): The rules of `short_forms.py` that hold, by kind.
    first_named (List[str]): Kinds whose short forms stand for the entity that is named first, if
        several entities fit. For other kinds, such a short form stands for none of them.
    proper_kinds (List[str]): Kinds whose labels are often confused: the same name is one entity,
        even if its labels differ. Only names of these kinds can be appositions
        (`appositions.py`).
    alias_words (List[str]): Words between two names of one entity: "also", "known".
    or_words (List[str]): Words between two names of one entity that have the same initial: "or".
    alias_fillers (List[str]): Words that may stand with alias_words and or_words: "as".
    bracketed (List[str]): Kinds whose names in brackets are another name of the entity before.
        For other proper kinds, both names must have the same initial.
    kinds (Dict[str, str]): Labels that are treated as another label.
    """

    determiners: List[str] = []
    titles: Dict[str, List[str]] = {}
    designators: Dict[str, List[str]] = {}
    aliases: Dict[str, List[Annotated[List[str], Field(min_length=1)]]] = {}
    demonyms: Dict[str, Dict[str, List[str]]] = {}
    small_words: List[str] = []
    short_forms: Dict[str, List[str]] = {}
    first_named: List[str] = []
    proper_kinds: List[str] = []
    alias_words: List[str] = []
    or_words: List[str] = []
    alias_fillers: List[str] = []
    bracketed: List[str] = []
    kinds: Dict[str, str] = {}


@dataclass(frozen=True)
class NameKey:
    """A normalised name: two mentions with equal keys have the same name.

    kind (str): The mention's label, or the label that the tables treat it as.
    words (Tuple[str, ...]): The words that tell the name from other names.
    """

    kind: str
    words: Name


class NameRules:
    """The rules by which names are compared.

    tables (NameTables): The tables that the rules read.
    group_demonyms (bool): Whether a demonym is a name of its place, if the document names the
        place.
    RAISES (ValueError): If `short_forms` names an unknown rule.
    """

    def __init__(self, tables: NameTables, group_demonyms: bool = False) -> None:
        unknown = {name for names in tables.short_forms.values() for name in names}
        unknown -= SHORT_FORMS.keys()
        if unknown:
            raise ValueError(
                f"Unknown short_forms: {', '.join(sorted(unknown))}. Choose from: "
                f"{', '.join(SHORT_FORMS)}."
            )
        self.kinds = tables.kinds
        self.determiners = _words(tables.determiners)
        self.titles = {kind: _words(words) for kind, words in tables.titles.items()}
        self.designators = {kind: _words(words) for kind, words in tables.designators.items()}
        self.small_words = _words(tables.small_words)
        self.short_forms = {
            kind: [SHORT_FORMS[name] for name in names]
            for kind, names in tables.short_forms.items()
        }
        self.first_named = frozenset(tables.first_named)
        self.proper_kinds = frozenset(tables.proper_kinds)
        self.appositions = Appositions(
            alias_words=_words(tables.alias_words),
            or_words=_words(tables.or_words),
            fillers=self.determiners | _words(tables.alias_fillers),
            bracketed=frozenset(tables.bracketed),
        )
        self.group_demonyms = group_demonyms
        self.aliases: Dict[NameKey, Name] = {}
        for kind, rows in tables.aliases.items():
            # Maps each name to all names of its entity. Rows that share a name are one entity.
            same: Dict[Name, Set[Name]] = {}
            for row in rows:
                names = {self._essential_words(name, kind) for name in row}
                names = names.union(*(same.get(name, ()) for name in names))
                same.update(dict.fromkeys(names, names))
            self.aliases.update({NameKey(kind, name): min(same[name]) for name in same})
        self.places: Dict[NameKey, Set[NameKey]] = defaultdict(set)
        for kind, places in tables.demonyms.items():
            for place, demonyms in places.items():
                for demonym in demonyms:
                    self.places[self.normalize(demonym, kind)].add(self.normalize(place, kind))
        self.demonyms = frozenset(demonym.words for demonym in self.places)

    def normalize(self, text: str, label: str) -> NameKey:
        """Normalise a name. Remove what does not tell two names apart: case, accents,
        punctuation, a possessive, a determiner, titles and designators. Replace all aliases by
        one of them.

        text (str): The mention.
        label (str): Its label.
        RETURNS (NameKey): The name.
        """
        kind = self.kinds.get(label, label)
        key = NameKey(kind, self._essential_words(text, kind))
        return NameKey(kind, self.aliases.get(key, key.words))

    def shorten(self, key: NameKey) -> Set[NameKey]:
        """List the forms that a full name may take in later mentions.

        key (NameKey): The full name.
        RETURNS (Set[NameKey]): Its short forms, without the name itself.
        """
        return self._forms(key, self.short_forms.get(key.kind, ()))

    def abbreviate(self, key: NameKey) -> Set[NameKey]:
        """List the short forms that may come before the full name: acronyms and initials.

        key (NameKey): The full name.
        RETURNS (Set[NameKey]): Some of the forms that `shorten` returns.
        """
        rules = self.short_forms.get(key.kind, ())
        return self._forms(key, [rule for rule in rules if rule in ABBREVIATIONS])

    def _forms(self, key: NameKey, rules: Iterable[ShortForm]) -> Set[NameKey]:
        if len(key.words) < 2:
            return set()
        forms = {form for rule in rules for form in rule(key.words, self.small_words)}
        return {NameKey(key.kind, form) for form in forms if form != key.words}

    def size(self, text: str, label: str) -> int:
        """Count the letters of a name, without a possessive, a determiner and titles.

        text (str): The mention.
        label (str): Its label.
        RETURNS (int): The number of letters.
        """
        return sum(map(len, self._full_words(text, self.kinds.get(label, label))))

    def _essential_words(self, text: str, kind: str) -> Name:
        words = self._full_words(text, kind)
        while len(words) > 1 and words[-1] in self.designators.get(kind, ()):
            words = words[:-1]
        # A name of punctuation alone has no words.
        return words or (text,)

    def _full_words(self, text: str, kind: str) -> Name:
        words = split_words(text)
        if len(words) > 1 and words[0] in self.determiners and not _INITIAL.match(text):
            words = joined_letters(words[1:])
        while len(words) > 1 and words[0] in self.titles.get(kind, ()):
            words = words[1:]
        return words


def make_name_rules(
    lang: Optional[str] = "en", extend: Dict[str, Any] = {}, group_demonyms: bool = False
) -> NameRules:
    """Construct the rules by which the entity clusterer compares names.

    lang (Optional[str]): The language of the tables to start from, "en"; None for empty tables.
    extend (Dict[str, Any]): Entries to add, as in `NameTables`, for instance
        {"titles": {"PER": ["swami"]}, "aliases": {"LOC": [["Kyiv", "Kiev"]]}}.
    group_demonyms (bool): Whether "French" is a name of France, if the document names France. In
        DocRED's data, "French" is an entity of its own in two documents of three.
    RETURNS (NameRules): The rules.
    RAISES (ValueError): If the language has no tables, or `extend` is malformed.
    """
    tables = NameTables() if lang is None else _read_tables(lang)
    try:
        added = NameTables.model_validate(extend)
    except ValidationError as error:
        raise ValueError(f"The names in 'extend' are malformed: {error}") from error
    merged = NameTables(**_merged(tables.model_dump(), added.model_dump()))
    return NameRules(merged, group_demonyms)


def _read_tables(lang: str) -> NameTables:
    path = _TABLES / f"{lang}.json"
    if not path.exists():
        known = sorted(file.stem for file in _TABLES.glob("*.json"))
        raise ValueError(
            f"There are no tables of names for the language {lang!r}, only for: "
            f"{', '.join(known)}. Set lang = null, and give your own tables in 'extend'."
        )
    return NameTables(**srsly.read_json(path))


def _words(texts: List[str]) -> FrozenSet[str]:
    return frozenset(word for text in texts for word in split_words(text))


def _merged(base: Any, added: Any) -> Any:
    """Add lists to lists, at any depth. An added string replaces an earlier one."""
    if isinstance(base, dict):
        common = {key: _merged(base[key], added[key]) for key in base.keys() & added.keys()}
        return {**base, **added, **common}
    return [*base, *added] if isinstance(base, list) else added
