"""Packages as they are where they are not installed."""

import sys
from contextlib import contextmanager
from typing import Iterator

import pytest


@contextmanager
def missing(*packages: str) -> Iterator[None]:
    """Within this, none of the packages can be imported."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
            patch.delitem(sys.modules, name)
        for package in packages:
            patch.setitem(sys.modules, package, None)
        yield
