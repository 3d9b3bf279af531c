"""Fixtures of the tests of corpora: documents, and the logits of a teacher that knows nothing."""

from pathlib import Path
from typing import Iterator, Sequence

import numpy
import pytest
from spacy.vocab import Vocab

from spacy_docre.alignment import GoldAlignment
from spacy_docre.data.corpus_files import read_spacy_docs
from spacy_docre.distillation.storing import store_logits
from spacy_docre.distillation.teacher import Teacher
from spacy_docre.distillation.teacher_logits import TeacherLogits
from spacy_docre.pairs import Pairs
from tests.pipeline.helpers import LABELS


class RandomTeacher(Teacher):
    labels = LABELS

    def logits(self, alignments: Sequence[GoldAlignment]) -> Iterator[TeacherLogits]:
        for alignment in alignments:
            shape = Pairs.count(len(alignment.predicted)), 1 + len(LABELS)
            yield TeacherLogits(numpy.random.default_rng(shape[0]).normal(size=shape))


@pytest.fixture(scope="session")
def stored(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The teacher's logits for them."""
    path = tmp_path_factory.mktemp("logits") / "teacher"
    list(store_logits(RandomTeacher(), read_spacy_docs(corpus, Vocab()), path, checksum="random"))
    return path
