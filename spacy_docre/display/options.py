"""The options of `render`: what is shown, and in which colours."""

from difflib import get_close_matches
from functools import cached_property
from typing import AbstractSet, Any, Container, Dict, Iterable, List, Mapping, Optional, Union
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from spacy.util import registry

from .short_names import SHORT_NAMES

_COLORS = {
    "PER": "#3b82f6",
    "PERSON": "#3b82f6",
    "ORG": "#f59e0b",
    "LOC": "#10b981",
    "GPE": "#10b981",
    "TIME": "#a855f7",
    "DATE": "#a855f7",
    "NUM": "#ec4899",
    "MISC": "#64748b",
}
# The colours of all other labels.
_PALETTE = ["#06b6d4", "#84cc16", "#ef4444", "#8b5cf6", "#d97706", "#14b8a6", "#f472b6"]
# The most names that an error lists to choose from.
_MOST_SHOWN = 20


class Options(BaseModel):
    """The options of `render`.

    colors (Dict[str, str]): A CSS colour for each entity label, instead of the usual colour.
    labels (Optional[List[str]]): Entity labels to mark in the text; None for all. Heads and tails
        of relations are always marked.
    threshold (float): Show relations of at least this score.
    relations (Optional[List[str]]): Labels or names of the relations to show; None for all.
    short_names (Union[bool, Dict[str, str]]): A short name to show for each relation label; True
        for short names of Wikidata's properties.
    """

    model_config = ConfigDict(extra="forbid")

    colors: Dict[str, str] = Field(default_factory=dict)
    labels: Optional[List[str]] = None
    threshold: float = Field(default=0.0, ge=0.0, le=1.0)
    relations: Optional[List[str]] = None
    short_names: Union[bool, Dict[str, str]] = False

    def color(self, label: str) -> str:
        """Return the colour of an entity label: from the options, else from a package that
        registers colours for displaCy, else the usual colour.

        label (str): The label.
        RETURNS (str): A CSS colour.
        """
        usual = _PALETTE[crc32(label.encode("utf8")) % len(_PALETTE)]
        return self._known_colors.get(label, usual)

    def shown_name(self, label: str, name: str) -> str:
        """Return the name by which a relation is shown.

        label (str): Its label.
        name (str): Its name.
        RETURNS (str): The short name, if the options have one; else the name.
        """
        short = self.short_names
        names = short if isinstance(short, dict) else SHORT_NAMES if short else {}
        return names.get(label, name)

    @cached_property
    def _known_colors(self) -> Dict[str, str]:
        return {**usual_colors(), **self.colors}


def usual_colors() -> Dict[str, str]:
    """Return the colours that labels have without options.

    RETURNS (Dict[str, str]): A CSS colour for each label.
    """
    known = dict(_COLORS)
    for colors in registry.displacy_colors.get_all().values():
        known.update(colors() if callable(colors) else colors)
    return known


def read_options(options: Mapping[str, Any]) -> Options:
    """Check options.

    options (Mapping[str, Any]): See `Options`.
    RETURNS (Options): The options.
    RAISES (ValueError): If an option does not exist, or a value has the wrong type.
    """
    try:
        return Options(**options)
    except ValidationError as error:
        raise ValueError(
            f"These options cannot be used: {tell_problems(error)}. The options are "
            f"{', '.join(Options.model_fields)}."
        ) from None


def tell_problems(error: ValidationError) -> str:
    """Describe in one line what is wrong with values.

    error (ValidationError): The error of pydantic.
    RETURNS (str): Each field and its problem.
    """
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, problem["loc"])), problem["msg"])))
        for problem in error.errors()
    )


def mistyped_names(
    wanted: Optional[Iterable[str]],
    known: AbstractSet[str],
    kind: str,
    elsewhere: Container[str] = (),
) -> List[str]:
    """Describe names that do not exist.

    wanted (Optional[Iterable[str]]): The names to check; None for no names.
    known (AbstractSet[str]): The names that the documents have.
    kind (str): The kind of the names, e.g. "relation".
    elsewhere (Container[str]): Names that other documents may have.
    RETURNS (List[str]): The problem of each name that does not exist, with similar names.
    """
    problems = []
    by_lower = {name.lower(): name for name in sorted(known) if name}
    for name in wanted or ():
        if name in known or name in elsewhere:
            continue
        near = [by_lower[match] for match in get_close_matches(name.lower(), by_lower)]
        shown = near or [*by_lower.values()][:_MOST_SHOWN]
        if len(near) < len(shown) < len(by_lower):
            shown.append("...")
        hint = f"{'Nearly the same' if near else 'There'} are: {', '.join(shown)}"
        problems.append(f"No {kind} is called {name!r}. {hint if shown else 'There is none'}.")
    return problems
