"""What the tests of commands share."""

from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, Mapping

import pytest
from spacy.tokens import Doc

from spacy_docre.data import corpus_files


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Gives a context in which only so many files of a corpus can be written, two documents
    each."""
    write_docs = corpus_files.write_docs
    monkeypatch.setattr(corpus_files, "DOCUMENTS_PER_FILE", 2)

    @contextmanager
    def full_after(files: int) -> Iterator[None]:
        def write(parts: Mapping[Path, Iterable[Doc]]) -> Dict[Path, corpus_files.CorpusCounts]:
            nonlocal files
            if not files:
                raise OSError("No space left")
            files -= 1
            return write_docs(parts)

        with monkeypatch.context() as context:
            context.setattr(corpus_files, "write_docs", write)
            yield

    return full_after
