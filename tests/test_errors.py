import pytest

from spacy_docre.errors import describe_error


@pytest.mark.parametrize(
    "error, expected",
    [
        (ValueError("Set it."), "Set it."),
        (FileNotFoundError("not there"), "not there"),
        (KeyError("training"), "KeyError: 'training'"),
        (ValueError(), "ValueError"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_what_is_said(error: Exception, expected: str) -> None:
    assert describe_error(error) == expected
