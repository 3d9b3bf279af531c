"""Dates as texts have them."""

from datetime import date
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_docre.annotate.dates import parse_date, same_date


@pytest.mark.parametrize(
    "text, iso",
    [
        ("7 November 1867", "1867-11-07"),
        ("November 7 , 1867", "1867-11-07"),
        ("7th of Nov. 1867", "1867-11-07"),
        ("the 1st of May, 1867", "1867-05-01"),
        ("1867-11-07", "1867-11-07"),
        ("nov 1867", "1867-11"),
        ("Sept. 11, 2001", "2001-09-11"),
        ("Sept 2001", "2001-09"),
        ("Thursday, 7 November 1867", "1867-11-07"),
        ("November , 1867", "1867-11"),
        ("1867", "1867"),
        ("0987", "0987"),
        ("7/11/1867", None),
        ("31 November 1867", None),
        ("0000", None),
        ("'67", None),
        ("the 1860s", None),
        ("today", None),
        ("", None),
        ("18 67", None),
        ("٧ November 1867", None),
    ],
)
def test_dates(text: str, iso: Optional[str]) -> None:
    assert parse_date(text) == iso


@given(st.dates(min_value=date(1000, 1, 1)), st.sampled_from(["%d %B %Y", "%B %d, %Y", "%Y-%m-%d"]))
def test_every_date(day: date, form: str) -> None:
    assert parse_date(day.strftime(form)) == day.isoformat()


def test_dates_that_may_be_the_same() -> None:
    assert same_date("1867", "1867-11-07") and same_date("1867-11-07", "1867-11")
    assert not same_date("1867-11", "1867-12-01") and not same_date("1867", "1868")
