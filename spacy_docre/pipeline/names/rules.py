"""Which mentions are the same name: the tables of a language, and the rules that read them."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Dict, FrozenSet, List, Optional, Set

import srsly
from pydantic import BaseModel, Field, ValidationError

from .short_forms import SHORT_FORMS, Name

_TABLES = Path(__file__).parent
_POSSESSIVE = re.compile(r"\s?['’]s?$")
_APOSTROPHE = re.compile(r"['’‘`]")
# Accents, which tell names apart in no alphabet of Europe; elsewhere marks are vowels and more.
_ACCENT = re.compile(r"(?<=[A-Za-z\u0370-\u052f])[\u0300-\u036f]+")


class NameTables(BaseModel, extra="forbid"):
    """What is known of names. Where it depends on what is named, it is by kind: a label, or
    what `kinds` says of the label.

    determiners (List[str]): Words that may stand before any name.
    titles (Dict[str, List[str]]): Words that may stand before a name, by kind.
    designators (Dict[str, List[str]]): Words that may stand after a name, by kind.
    aliases (Dict[str, List[List[str]]]): Lists of names of the same thing, by kind.
    small_words (List[str]): Words that an acronym may leave out.
    short_forms (Dict[str, List[str]]): Rules of `short_forms.py` that hold, by kind.
    kinds (Dict[str, str]): Labels that are treated as another.
    """

    determiners: List[str] = []
    titles: Dict[str, List[str]] = {}
    designators: Dict[str, List[str]] = {}
    aliases: Dict[str, List[Annotated[List[str], Field(min_length=1)]]] = {}
    small_words: List[str] = []
    short_forms: Dict[str, List[str]] = {}
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
    RAISES (ValueError): If `short_forms` names a rule that there is not.
    """

    def __init__(self, tables: NameTables) -> None:
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
        self.aliases: Dict[NameKey, Name] = {}
        for kind, rows in tables.aliases.items():
            # By name, all names of the same thing: rows that share one are of the same.
            same: Dict[Name, Set[Name]] = {}
            for row in rows:
                names = {self._essential_words(name, kind) for name in row}
                names = names.union(*(same.get(name, ()) for name in names))
                same.update(dict.fromkeys(names, names))
            self.aliases.update({NameKey(kind, name): min(same[name]) for name in same})

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
        if len(key.words) < 2:
            return set()
        forms = {
            form
            for rule in self.short_forms.get(key.kind, ())
            for form in rule(key.words, self.small_words)
        }
        return {NameKey(key.kind, form) for form in forms if form != key.words}

    def _essential_words(self, text: str, kind: str) -> Name:
        words = split_words(text)
        if len(words) > 1 and words[0] in self.determiners:
            words = words[1:]
        while len(words) > 1 and words[0] in self.titles.get(kind, ()):
            words = words[1:]
        while len(words) > 1 and words[-1] in self.designators.get(kind, ()):
            words = words[:-1]
        # A name of punctuation alone.
        return words or (text,)


def make_name_rules(lang: Optional[str] = "en", extend: Dict[str, Any] = {}) -> NameRules:
    """Construct the rules by which the entity clusterer compares names.

    lang (Optional[str]): The language whose tables to start from, "en"; None for empty ones.
    extend (Dict[str, Any]): Entries to add, as in `NameTables`, for instance
        {"titles": {"PER": ["swami"]}, "aliases": {"LOC": [["Kyiv", "Kiev"]]}}.
    RETURNS (NameRules): The rules.
    RAISES (ValueError): If there are no tables of the language, or `extend` is malformed.
    """
    tables = NameTables() if lang is None else _read_tables(lang)
    try:
        added = NameTables.model_validate(extend)
    except ValidationError as error:
        raise ValueError(f"The names in 'extend' are malformed: {error}") from error
    return NameRules(NameTables(**_merged(tables.model_dump(), added.model_dump())))


def split_words(text: str) -> Name:
    """The words of a name, without case, accents, possessive and punctuation. A name of
    single letters ("U.S.") is one word.

    text (str): The name.
    RETURNS (Name): Its words.
    """
    decomposed = unicodedata.normalize("NFKD", text.strip().casefold())
    plain = unicodedata.normalize("NFC", _ACCENT.sub("", decomposed))
    name = _APOSTROPHE.sub("", _POSSESSIVE.sub("", plain))
    words = tuple("".join(map(_word_part, name)).split())
    if len(words) > 1 and all(len(word) == 1 for word in words):
        return ("".join(words),)
    return words


def _word_part(char: str) -> str:
    # Vowel signs and other marks belong to their word.
    if char.isalnum() or unicodedata.category(char).startswith("M"):
        return char
    return " & " if char == "&" else " "


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
