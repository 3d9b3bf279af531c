"""Processes that are forked or spawned."""

import pickle
import subprocess
import sys

import pytest

from tests.pipeline.helpers import (
    docs_of,
    triples_of,
)


class TestProcesses:
    def test_two_processes(self, trained, make_examples, two_threads):
        expected = triples_of(trained.pipe(docs_of(make_examples(6))))
        docs = list(trained.pipe(docs_of(make_examples(6)), n_process=2, batch_size=2))
        assert len(docs) == 6 and all(expected)
        for ours, theirs in zip(triples_of(docs), expected, strict=True):
            assert [(triple.head, triple.tail, triple.label) for triple in ours] == [
                (triple.head, triple.tail, triple.label) for triple in theirs
            ]
            assert [triple.score for triple in ours] == pytest.approx(
                [triple.score for triple in theirs], abs=1e-5
            )

    def test_processes_that_are_spawned(self, loaded, make_examples):
        """They are sent the components pickled."""
        expected = triples_of(loaded.pipe(docs_of(make_examples(3))))
        assert all(expected)
        components = pickle.loads(pickle.dumps([pipe for _, pipe in loaded.pipeline]))
        docs = docs_of(make_examples(3))
        for component in components:
            docs = list(component.pipe(docs))
        assert triples_of(docs) == expected


def test_installed_package_leaves_threads_of_forks_alone():
    """As long as a pipeline has no relation extractor."""
    code = (
        "import os, torch, spacy; torch.set_num_threads(2); spacy.blank('en');"
        "child = os.fork();"
        "os._exit(torch.get_num_threads()) if child == 0 else None;"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
