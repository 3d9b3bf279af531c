"""For mkdocstrings: convert docstrings from spaCy's style to Google's style."""

import re
from typing import Any, Dict, List

from griffe import Class, Extension, Object

# In spaCy's style, an item begins at the margin: "name (type): text", "name, other (type): text"
# or "RETURNS (type): text". Its further lines are indented.
_ITEM = re.compile(r"(?P<names>[A-Za-z_*]\w*(?:, \w+)*) \((?P<type>.+?)\): (?P<text>.*)")
_RESULTS = {"RETURNS": "Returns", "YIELDS": "Yields", "RAISES": "Raises"}


class SpacyDocstrings(Extension):
    """Converts the docstring of each object."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            fields = isinstance(obj, Class) and "NamedTuple" in map(str, obj.bases)
            title = "Attributes" if fields else "Args"
            obj.docstring.value = as_google_style(obj.docstring.value, title)


def as_google_style(text: str, title: str = "Args") -> str:
    """Convert a docstring.

    text (str): The docstring, in spaCy's style.
    title (str): The title of the section of arguments or attributes.
    RETURNS (str): The docstring, in Google's style.
    """
    prose: List[str] = []
    sections: Dict[str, List[str]] = {title: []}
    # The part that gets the next lines.
    target = prose
    for line in text.splitlines():
        item = _ITEM.fullmatch(line)
        # A sentence may look like an item. But an item follows another item, or an empty line.
        if item is not None and (
            item["names"] in _RESULTS or target is not prose or prose[-1:] == [""]
        ):
            target = sections.setdefault(_RESULTS.get(item["names"], title), [])
            target.extend(_google_lines(item))
        elif target is not prose and line.startswith("    "):
            target.append("    " + line)
        else:
            target = prose
            prose.append(line)
    blocks = ["\n".join([f"{title}:", *lines]) for title, lines in sections.items() if lines]
    return "\n\n".join(["\n".join(prose).rstrip(), *blocks]).strip()


def _google_lines(item: re.Match) -> List[str]:
    """Make the first line of an item. If an item has several names, each gets a line."""
    kind, text = item["type"], item["text"]
    if item["names"] in _RESULTS:
        return [f"    {kind}: {text}"]
    return [f"    {name} ({kind}): {text}" for name in item["names"].split(", ")]
