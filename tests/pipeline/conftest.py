"""Fixtures that the tests of the component share."""

from pathlib import Path

import pytest
import spacy
import torch
from spacy.language import Language

from tests.pipeline.helpers import (
    EXTRACTOR,
)


@pytest.fixture
def loaded(trained_folder: Path) -> Language:
    """The trained pipeline, to do with as one likes."""
    return spacy.load(trained_folder)


@pytest.fixture
def all_scores(loaded: Language) -> Language:
    """The trained pipeline, which annotates every relation of every pair."""
    loaded.get_pipe(EXTRACTOR).cfg["threshold"] = 0.0
    return loaded


@pytest.fixture
def two_threads():
    """Lets torch start the threads that a forked process does not have."""
    torch.set_num_threads(2)
    torch.randn(1000, 1000) @ torch.randn(1000, 1000)
    yield
    torch.set_num_threads(1)
