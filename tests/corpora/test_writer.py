from pathlib import Path
from typing import Iterator, List

import pytest
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from spacy_docre import Triple
from spacy_docre.corpora import writer
from spacy_docre.corpora.reader import read_docs
from spacy_docre.corpora.writer import Counts, split_docs, write_docs

VOCAB = Vocab()


def make_docs(number: int) -> List[Doc]:
    docs = []
    for place in range(number):
        doc = Doc(VOCAB, words=[str(place), "x"])
        doc._.entities = [[Span(doc, 0, 1), Span(doc, 1, 2)], [Span(doc, 0, 2)]]
        doc._.relations = [Triple(0, 1, "P1")]
        docs.append(doc)
    return docs


def numbers(docs: List[Doc]) -> List[int]:
    return [int(doc[0].text) for doc in docs]


def test_split_in_order() -> None:
    parts = split_docs(make_docs(6), {"train": 3, "dev": 1})
    assert {name: numbers(part) for name, part in parts.items()} == {
        "train": [0, 1, 2],
        "dev": [3],
    }


@pytest.mark.parametrize("size, rest", [(4, [0, 1]), (6, []), (0, [0, 1, 2, 3, 4, 5])])
def test_split_rest(size: int, rest: List[int]) -> None:
    parts = split_docs(make_docs(6), {"train": None, "dev": size})
    assert numbers(parts["train"]) == rest
    assert len(parts["dev"]) == size


def test_split_shuffled() -> None:
    docs = make_docs(20)
    sizes = {"train": None, "dev": 5}
    first, again = split_docs(docs, sizes, seed=1), split_docs(docs, sizes, seed=1)
    assert first == again
    assert first != split_docs(docs, sizes, seed=2)
    assert sorted(numbers(first["train"] + first["dev"])) == list(range(20))
    assert numbers(first["train"]) != list(range(15))
    assert numbers(docs) == list(range(20))


def test_split_of_too_many() -> None:
    with pytest.raises(ValueError, match="7 documents, but there are 6"):
        split_docs(make_docs(6), {"train": 5, "dev": 2, "test": None})


def test_write(tmp_path: Path) -> None:
    docs = make_docs(3)
    paths = [tmp_path / "new" / "folder" / "train.spacy", tmp_path / "dev.spacy"]
    counts = write_docs({paths[0]: docs, paths[1]: iter([])})
    assert counts == {paths[0]: Counts(3, 6, 9, 3), paths[1]: Counts()}
    written = list(DocBin().from_disk(paths[0]).get_docs(Vocab()))
    assert [doc._.relations[0].triple for doc in written] == [Triple(0, 1, "P1")] * 3
    assert len(DocBin().from_disk(paths[1])) == 0
    assert sorted(tmp_path.rglob("*.*")) == sorted(paths)


def test_killed_while_a_folder_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill leaves behind is no part of the folder, and the next run removes it."""
    monkeypatch.setattr(writer, "DOCUMENTS_PER_FILE", 2)

    class Killed(BaseException):
        pass

    def broken() -> Iterator[Doc]:
        yield from make_docs(5)
        raise Killed

    with monkeypatch.context() as context:
        context.setattr(writer.shutil, "rmtree", lambda *args, **settings: None)
        with pytest.raises(Killed):
            writer.write_corpus(tmp_path / "corpus", broken())
    assert not (tmp_path / "corpus").exists() and list(tmp_path.rglob("*.spacy"))
    writer.write_corpus(tmp_path / "corpus", make_docs(3))
    assert numbers(list(read_docs(tmp_path / "corpus", Vocab()))) == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [tmp_path / "corpus"]


def test_nothing_changes_after_an_error(tmp_path: Path) -> None:
    paths = [tmp_path / "train.spacy", tmp_path / "dev.spacy"]
    paths[0].write_text("old")

    def broken() -> Iterator[Doc]:
        yield from make_docs(2)
        raise ValueError("line 3")

    with pytest.raises(ValueError, match="line 3"):
        write_docs({paths[0]: make_docs(2), paths[1]: broken()})
    assert paths[0].read_text() == "old"
    assert list(tmp_path.iterdir()) == [paths[0]]
