"""Read the dates of texts into the form of ISO 8601."""

import re
from datetime import datetime
from typing import Optional

# The entity labels of dates.
DATE_LABELS = frozenset({"DATE", "TIME"})
# The formats of dates, and the length of each in ISO 8601. Months have English names. "7/11/1867"
# is not read, since it could be two dates.
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
# What is removed from a month: its point, and the "t" of "Sept.".
_POINT = re.compile(r"(?<=[a-z])\.|(?<=\bsep)t\b\.?")


def parse_date(text: str) -> Optional[str]:
    """Read a date, a month or a year.

    text (str): The text of the date, e.g. "7 November 1867", "November 7th, 1867", "1867-11-07".
    RETURNS (Optional[str]): The date, as precise as the text: "1867-11-07", "1867-11" or "1867".
        None if the text is no date, or could be several dates.
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
    """Check whether two dates may be the same day.

    first (str): A date that `parse_date` returned.
    second (str): Another date.
    RETURNS (bool): Whether the dates agree as far as both are precise, as "1867" and "1867-11-07".
    """
    return first.startswith(second) or second.startswith(first)
