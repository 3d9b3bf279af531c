"""Fixtures of the distillation tests: a teacher, documents, and their logits on disk."""

from pathlib import Path
from typing import List

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_docre.data.corpus_files import read_spacy_docs
from spacy_docre.distillation.storing import store_logits
from spacy_docre.pipeline.teacher_pipeline import TeacherPipeline
from spacy_docre.training.corpus import make_corpus


@pytest.fixture(scope="session")
def docs(corpus: Path) -> List[Doc]:
    """The same, read back."""
    return list(read_spacy_docs(corpus, Vocab()))


@pytest.fixture(scope="session")
def teacher(trained_folder: Path) -> TeacherPipeline:
    return TeacherPipeline(trained_folder)


@pytest.fixture(scope="session")
def stored(
    teacher: TeacherPipeline, docs: List[Doc], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The logits of the trained pipeline for them."""
    path = tmp_path_factory.mktemp("logits") / "teacher"
    list(store_logits(teacher, docs, path, checksum=teacher.checksum))
    return path


@pytest.fixture
def taught(corpus: Path, stored: Path) -> List[Example]:
    """Examples of these documents, which the trained pipeline teaches."""
    return list(make_corpus(corpus, teacher_logits=stored)(spacy.blank("en")))
