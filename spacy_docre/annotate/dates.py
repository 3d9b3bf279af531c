"""Dates as texts have them, in the form of ISO 8601."""

import re
from datetime import datetime
from typing import Optional

# What a date is called in the labels of entities.
DATE_LABELS = frozenset({"DATE", "TIME"})
# How a date is written, and how long it is then in ISO 8601. Months have their English names.
# "7/11/1867" is two dates, and so none.
_FORMATS = {
    "%Y-%m-%d": 10,
    "%d %B %Y": 10,
    "%d %b %Y": 10,
    "%B %d %Y": 10,
    "%b %d %Y": 10,
    "%Y-%m": 7,
    "%B %Y": 7,
    "%b %Y": 7,
    "%Y": 4,
}
_ORDINAL = re.compile(r"(?<=\d)(st|nd|rd|th)\b")
_FILLERS = re.compile(r"[,\s]+|\b(of|the|(mon|tues|wednes|thurs|fri|satur|sun)day)\b", re.ASCII)
# A month without its point, and without the fourth letter that "Sept." has.
_POINT = re.compile(r"(?<=[a-z])\.|(?<=\bsep)t\b\.?")


def parse_date(text: str) -> Optional[str]:
    """Read a date, a month or a year.

    text (str): What a text has, e.g. "7 November 1867", "November 7th, 1867", "1867-11-07".
    RETURNS (Optional[str]): As precise as the text: "1867-11-07", "1867-11" or "1867". None for
        what is none of these, or could be several.
    """
    plain = _POINT.sub("", _ORDINAL.sub("", text.lower()))
    words = " ".join(_FILLERS.sub(" ", plain).split())
    for form, length in _FORMATS.items():
        try:
            return datetime.strptime(words, form).isoformat()[:length]
        except ValueError:
            continue
    return None


def same_date(first: str, second: str) -> bool:
    """Tell whether two dates may be the same day.

    first (str): A date of `parse_date`.
    second (str): Another.
    RETURNS (bool): Whether they are equal as far as both are precise: "1867" and "1867-11-07" are.
    """
    return first.startswith(second) or second.startswith(first)
