"""Fixtures of the tests of corpora: documents, and the logits of a teacher that knows nothing."""

from pathlib import Path

import pytest
from spacy.vocab import Vocab

from spacy_docre.data.corpus_files import read_spacy_docs
from spacy_docre.distillation.storing import store_logits
from tests.pipeline.helpers import LABELS
from tests.teachers import RandomTeacher


@pytest.fixture(scope="session")
def stored(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The teacher's logits for them."""
    path = tmp_path_factory.mktemp("logits") / "teacher"
    list(
        store_logits(
            RandomTeacher(LABELS), read_spacy_docs(corpus, Vocab()), path, checksum="random"
        )
    )
    return path
