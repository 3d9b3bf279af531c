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
    """What is known of names. Where it depends on what is named, it is by kind: a label, or
    what `kinds` says of the label.

    determiners (List[str]): Words that may stand before any name.
    titles (Dict[str, List[str]]): Words that may stand before a name, by kind.
    designators (Dict[str, List[str]]): Words that may stand after a name, by kind.
    aliases (Dict[str, List[List[str]]]): Lists of names of the same thing, by kind.
    demonyms (Dict[str, Dict[str, List[str]]]): Of each place its adjectives and its people, by
        kind. They stand for languages, too, and for no place that has a name in the document.
    small_words (List[str]): Words that an acronym may leave out.
    short_forms (Dict[str, List[str]]): Rules of `short_forms.py` that hold, by kind.
    first_named (List[str]): Kinds of which a short form that may stand for several entities stands
        for the one that is named first; otherwise it stands for none of them.
    proper_kinds (List[str]): Kinds that a label mixes up: the same name is of one entity whatever
        its label. Of these kinds, two names may be said to be of the same (`appositions.py`).
    alias_words (List[str]): Words that say so where they stand between the names: "also", "known".
    or_words (List[str]): Words that say so of names with the same initial: "or".
    alias_fillers (List[str]): Words that may stand with these: "as".
    bracketed (List[str]): Kinds of which a name in brackets is another one of the name before it;
        for other proper kinds it is if both have the same initial.
    kinds (Dict[str, str]): Labels that are treated as another.
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
    """A name as it is compared: two mentions with equal keys are the same name.

    kind (str): What is named: the mention's label, or what the tables treat it as.
    words (Tuple[str, ...]): The words that tell it from other names.
    """

    kind: str
    words: Name


class NameRules:
    """The rules by which names are compared.

    tables (NameTables): What they know.
    group_demonyms (bool): Whether a demonym is a name of its place, where the document names it.
    RAISES (ValueError): If `short_forms` names a rule that there is not.
    """

    def __init__(self, tables: NameTables, group_demonyms: bool = False) -> None:
        unknown = {name for names in tables.short_forms.values() for name in names}
        unknown -= SHORT_FORMS.keys()
        if unknown:
            raise ValueError(
                f"Unknown short_forms: {', '.join(sorted(unknown))}. There are: "
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
            # By name, all names of the same thing: rows that share one are of the same.
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
        """Take away what does not tell two names apart: case, accents, punctuation, a
        possessive, a determiner, titles and designators; and choose one of the aliases.

        text (str): The mention.
        label (str): Its label.
        RETURNS (NameKey): The name.
        """
        kind = self.kinds.get(label, label)
        key = NameKey(kind, self._essential_words(text, kind))
        return NameKey(kind, self.aliases.get(key, key.words))

    def shorten(self, key: NameKey) -> Set[NameKey]:
        """The forms that a full name may take where it is mentioned again.

        key (NameKey): The full name.
        RETURNS (Set[NameKey]): Its short forms, without the name itself.
        """
        return self._forms(key, self.short_forms.get(key.kind, ()))

    def abbreviate(self, key: NameKey) -> Set[NameKey]:
        """The short forms that may come before the full name: acronyms and initials.

        key (NameKey): The full name.
        RETURNS (Set[NameKey]): Some of what `shorten` gives.
        """
        rules = self.short_forms.get(key.kind, ())
        return self._forms(key, [rule for rule in rules if rule in ABBREVIATIONS])

    def _forms(self, key: NameKey, rules: Iterable[ShortForm]) -> Set[NameKey]:
        if len(key.words) < 2:
            return set()
        forms = {form for rule in rules for form in rule(key.words, self.small_words)}
        return {NameKey(key.kind, form) for form in forms if form != key.words}

    def size(self, text: str, label: str) -> int:
        """How much of a name a mention gives: its letters, without a possessive, a determiner and
        titles.

        text (str): The mention.
        label (str): Its label.
        RETURNS (int): The number of letters.
        """
        return sum(map(len, self._full_words(text, self.kinds.get(label, label))))

    def _essential_words(self, text: str, kind: str) -> Name:
        words = self._full_words(text, kind)
        while len(words) > 1 and words[-1] in self.designators.get(kind, ()):
            words = words[:-1]
        # A name of punctuation alone.
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

    lang (Optional[str]): The language whose tables to start from, "en"; None for empty ones.
    extend (Dict[str, Any]): Entries to add, as in `NameTables`, for instance
        {"titles": {"PER": ["swami"]}, "aliases": {"LOC": [["Kyiv", "Kiev"]]}}.
    group_demonyms (bool): Whether "French" is a name of France where the document names it. In
        DocRED's data it is an entity of its own in two documents of three.
    RETURNS (NameRules): The rules.
    RAISES (ValueError): If there are no tables of the language, or `extend` is malformed.
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
            f"There are no names of the language {lang!r}; there are: {', '.join(known)}. "
            "Set lang = null and give your own in 'extend'."
        )
    return NameTables(**srsly.read_json(path))


def _words(texts: List[str]) -> FrozenSet[str]:
    return frozenset(word for text in texts for word in split_words(text))


def _merged(base: Any, added: Any) -> Any:
    """Add lists to lists, at any depth; a later text replaces an earlier one."""
    if isinstance(base, dict):
        common = {key: _merged(base[key], added[key]) for key in base.keys() & added.keys()}
        return {**base, **added, **common}
    return [*base, *added] if isinstance(base, list) else added
