import os
import random
import tracemalloc
import zlib
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional

import numpy
import pytest
import srsly
from spacy.attrs import IDS
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from spacy_docre import Triple
from spacy_docre.data import corpus_files
from spacy_docre.data.corpus_files import (
    read_spacy_docs,
    split_docs,
    try_spacy_docs,
    write_corpus,
    write_docs,
)
from spacy_docre.data.stats import CorpusCounts
from tests.damage import change_packed, change_user_data
from tests.kills import kill_at_each_call

VOCAB = Vocab()


def make_docs(number: int) -> List[Doc]:
    docs = []
    for index in range(number):
        doc = Doc(VOCAB, words=[str(index), "x"])
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


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3])
def test_split_keeps_a_text_together(seed: Optional[int]) -> None:
    docs = [doc for doc in make_docs(6) for _ in range(3)]
    parts = split_docs(docs, {"train": 10, "dev": None, "test": 2}, seed=seed)
    texts = [{doc[0].text for doc in part} for part in parts.values()]
    assert [len(part) for part in parts.values()] == [12, 6, 0]
    assert not texts[0] & texts[1] and set.union(*texts) == set("012345")


def test_split_of_a_text_with_several_titles() -> None:
    """What is learnt from one would be asked of the other."""
    docs = [Doc(VOCAB, words=[*word], user_data={"title": word}) for word in ("x", "y", "x", "y")]
    docs[2].user_data["title"] = "of another"
    parts = split_docs(docs, {"train": 2, "dev": 2})
    assert [[doc.text for doc in part] for part in parts.values()] == [["x ", "x "], ["y ", "y "]]


def test_split_of_too_many() -> None:
    with pytest.raises(ValueError, match="7 documents, but there are 6"):
        split_docs(make_docs(6), {"train": 5, "dev": 2, "test": None})


def test_write(tmp_path: Path) -> None:
    docs = make_docs(3)
    paths = [tmp_path / "new" / "folder" / "train.spacy", tmp_path / "dev.spacy"]
    counts = write_docs({paths[0]: docs, paths[1]: iter([])})
    assert counts == {paths[0]: CorpusCounts(3, 6, 9, 3), paths[1]: CorpusCounts()}
    written = list(DocBin().from_disk(paths[0]).get_docs(Vocab()))
    assert [doc._.relations[0].triple for doc in written] == [Triple(0, 1, "P1")] * 3
    assert len(DocBin().from_disk(paths[1])) == 0
    assert sorted(tmp_path.rglob("*.*")) == sorted(paths)


class Killed(BaseException):
    pass


def reader(docs: List[Doc], starts: List[int], killed_after: int = 1000) -> Callable:
    """Gives documents from a number on, and is killed after one of them."""

    def read(start: int) -> Iterator[Doc]:
        starts.append(start)
        yield from docs[start:killed_after]
        if killed_after < len(docs):
            raise Killed

    return read


def write_folder(path: Path, number: int, of: str = "a", **settings: int) -> List[int]:
    """Where the documents were read from."""
    starts: List[int] = []
    counts = write_corpus(path, reader(make_docs(number), starts, **settings), {"of": of})
    assert counts == CorpusCounts(number, 2 * number, 3 * number, number)
    assert numbers(list(read_spacy_docs(path, Vocab()))) == list(range(number))
    return starts


@pytest.fixture
def two_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_files, "DOCUMENTS_PER_FILE", 2)


@pytest.mark.usefixtures("two_in_a_file")
@pytest.mark.parametrize(
    "killed_after, start", [(0, 0), (1, 0), (2, 2), (3, 2), (4, 4), (5, 4), (6, 6)]
)
@pytest.mark.parametrize("present", [False, True])
def test_folder_goes_on_where_it_was_killed(
    killed_after: int, start: int, present: bool, tmp_path: Path
) -> None:
    """What a kill leaves behind is no part of the folder, and the next run needs no more than
    what was not finished."""
    corpus = tmp_path / "corpus"
    if present:
        write_folder(corpus, 9)
        (corpus / "notes.txt").write_text("mine")
    with pytest.raises(Killed):
        write_folder(corpus, 7, killed_after=killed_after)
    (tmp_path / ".corpus.docre-new" / "part-00009.spacy.1.tmp").write_text("cut o")
    assert len(list(read_spacy_docs(corpus, Vocab())) if present else []) == 9 * present
    assert write_folder(corpus, 7) == [start]
    names = {f"part-0000{index}.spacy" for index in range(4)} | (
        {"notes.txt"} if present else set()
    )
    assert {file.name for file in corpus.iterdir()} == names
    assert list(tmp_path.iterdir()) == [corpus]


@pytest.mark.usefixtures("two_in_a_file")
def test_folder_of_other_documents_begins_anew(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        write_folder(tmp_path / "corpus", 7, killed_after=5)
    assert write_folder(tmp_path / "corpus", 3, of="b") == [0]


@pytest.mark.usefixtures("two_in_a_file")
def test_folder_killed_anywhere(tmp_path: Path) -> None:
    """The old documents are there, or the new, or none; and the next run writes the new."""

    def prepare(number: int) -> Path:
        corpus = tmp_path / str(number) / "corpus"
        write_folder(corpus, 5)
        (corpus / "notes.txt").write_text("mine")
        return corpus

    def check(corpus: Path) -> None:
        if corpus.exists():
            found = [doc.text for doc in read_spacy_docs(corpus, Vocab())]
            assert found in ([doc.text for doc in make_docs(number)] for number in (5, 3))
            assert (corpus / "notes.txt").read_text() == "mine"
        write_folder(corpus, 3)
        found = [doc.text for doc in read_spacy_docs(corpus, Vocab())]
        assert found == [doc.text for doc in make_docs(3)]
        assert [path for path in corpus.parent.iterdir() if path.name[0] != "."] == [corpus]

    assert kill_at_each_call(prepare, lambda corpus: write_folder(corpus, 3), check) > 20


@pytest.mark.usefixtures("two_in_a_file")
def test_folder_after_an_error(tmp_path: Path) -> None:
    """Documents that have to be mended leave nothing behind."""

    def read(start: int) -> Iterator[Doc]:
        yield from make_docs(5)
        raise ValueError("line 6")

    with pytest.raises(ValueError, match="line 6"):
        write_corpus(tmp_path / "corpus", read, {})
    assert not list(tmp_path.iterdir())


def test_link_to_a_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "notes.txt").write_text("mine")
    (tmp_path / "corpus").symlink_to(tmp_path / "real")
    write_folder(tmp_path / "corpus", 3)
    assert (tmp_path / "real" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / ".corpus.docre-new").exists()


@pytest.mark.usefixtures("two_in_a_file")
def test_damaged_progress(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        write_folder(tmp_path / "corpus", 7, killed_after=5)
    (tmp_path / ".corpus.docre-new" / corpus_files.PROGRESS).write_text("")
    assert write_folder(tmp_path / "corpus", 7) == [0]


def test_file_where_a_folder_is_to_be(tmp_path: Path) -> None:
    (tmp_path / "corpus").write_text("mine")
    starts: List[int] = []
    with pytest.raises(OSError, match="is a file"):
        write_corpus(tmp_path / "corpus", reader(make_docs(1), starts), {})
    assert not starts and (tmp_path / "corpus").read_text() == "mine"


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


def damaged(part: str, content: Any) -> DocBin:
    """Three documents, of which the second is damaged."""
    docs = DocBin(store_user_data=True, docs=make_docs(3))
    getattr(docs, part)[1] = content
    return docs


@pytest.mark.parametrize(
    "part, content",
    [
        ("tokens", numpy.full((2, 13), 77, dtype="uint64")),
        ("flags", None),
        ("span_groups", b"\xff"),
        ("span_groups", 3),
        ("user_data", b"\xc1"),
        ("user_data", b"\x93\x01\x02\x03"),
        ("user_data", 7),
    ],
)
def test_a_damaged_document_of_a_file(tmp_path: Path, part: str, content: Any) -> None:
    file = tmp_path / "a.spacy"
    damaged(part, content).to_disk(file)
    first, second, third = try_spacy_docs(file, Vocab())
    assert isinstance(first, Doc) and isinstance(third, Doc) and isinstance(second, ValueError)
    assert third._.relations[0].label_ == "P1"
    for start in (0, 1):
        with pytest.raises(ValueError, match="Document 1 of .*a.spacy is damaged"):
            list(read_spacy_docs(tmp_path, Vocab(), start))
    assert numbers(list(read_spacy_docs(tmp_path, Vocab(), 2))) == [2]


@pytest.mark.parametrize("part", ["cats", "flags", "span_groups", "user_data"])
def test_documents_of_which_a_part_is_missing(tmp_path: Path, part: str) -> None:
    """Nobody knows which."""
    docs = DocBin(store_user_data=True, docs=make_docs(3))
    getattr(docs, part).pop()
    docs.to_disk(tmp_path / "a.spacy")
    with pytest.raises(ValueError, match="a.spacy is damaged.*missing"):
        list(read_spacy_docs(tmp_path, Vocab()))


@pytest.mark.parametrize(
    "content", [1, "text", [], {"tokens": b""}, {"attrs": [1, 2], "strings": 3}]
)
def test_what_is_no_file_of_documents(tmp_path: Path, content: Any) -> None:
    (tmp_path / "a.spacy").write_bytes(zlib.compress(srsly.msgpack_dumps(content)))
    with pytest.raises(ValueError, match="a.spacy is damaged, or not a .spacy file"):
        list(read_spacy_docs(tmp_path, Vocab()))


def test_a_bomb(tmp_path: Path) -> None:
    packer = zlib.compressobj()
    with (tmp_path / "a.spacy").open("wb") as file:
        for _ in range(300):
            file.write(packer.compress(bytes(2**20)))
        file.write(packer.flush())
    with pytest.raises(ValueError, match="a.spacy becomes more than"):
        list(read_spacy_docs(tmp_path, Vocab()))


def test_hidden_states_are_not_written(tmp_path: Path) -> None:
    (doc,) = make_docs(1)
    doc.user_data[("._.", "trf_data", None, None)] = list(range(10_000))
    write_docs({tmp_path / "a.spacy": [doc]})
    (read,) = read_spacy_docs(tmp_path, Vocab())
    assert read.user_data.keys() >= {"docre_entities", "docre_relations"}
    assert not any("trf_data" in key for key in read.user_data)


def test_folders_are_read_once(tmp_path: Path) -> None:
    """Links may lead back to them."""
    write_docs({tmp_path / "a" / "b.spacy": make_docs(2)})
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "notes.txt").symlink_to("nowhere")
    assert numbers(list(read_spacy_docs(tmp_path, Vocab()))) == [0, 1]


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    """And not waited for."""
    os.mkfifo(tmp_path / "a.spacy")
    for path in (tmp_path, tmp_path / "a.spacy"):
        with pytest.raises(OSError, match="a.spacy cannot be read. It is a pipe"):
            list(read_spacy_docs(path, Vocab()))
    (tmp_path / "a.spacy").unlink()
    (tmp_path / "a.spacy").symlink_to("nowhere")
    with pytest.raises(OSError, match="a link to a missing file"):
        list(read_spacy_docs(tmp_path, Vocab()))
    (tmp_path / "a.spacy").unlink()
    with pytest.warns(UserWarning, match="W090"):
        assert not list(read_spacy_docs(tmp_path, Vocab()))


def damaged_file(path: Path, key: str, value: object) -> Path:
    docs = make_docs(3)
    docs[1].user_data[key] = value
    docs[1][1].is_sent_start = False
    DocBin(docs=docs, store_user_data=True).to_disk(path / "docs.spacy")
    return path / "docs.spacy"


@pytest.mark.parametrize(
    "key, value",
    [
        ("docre_entities", [[[0, 3, "", "", ""]]]),
        ("docre_entities", 7),
        ("docre_relations", [[0, 9, "P1", 1.0, "", []]]),
        ("docre_relations", [[0, 1, "P1", float("nan"), "", []]]),
        ("docre_sentence_numbers", [1, 2, 3]),
        ("docre_sentence_numbers", "x"),
        ("docre_mention_names", None),
        ("docre_mention_names", {"0:0:1": "Ada"}),
        ("docre_mention_names", {"0:0:1": [7]}),
    ],
)
def test_damaged_annotations(key: str, value: object, tmp_path: Path) -> None:
    """The file and the document are named, and documents before it are read."""
    docs = read_spacy_docs(damaged_file(tmp_path, key, value), Vocab())
    assert next(docs)[0].text == "0"
    with pytest.raises(ValueError, match=f"Document 1 of .*docs.spacy is damaged.*{key}"):
        next(docs)


@pytest.mark.parametrize("attribute", ["NORM", "ENT_KB_ID"])
def test_keys_of_no_text(attribute: str, tmp_path: Path) -> None:
    docs = DocBin(docs=make_docs(2))
    docs.tokens[1][:, docs.attrs.index(IDS[attribute])] = 4711
    docs.to_disk(tmp_path / "docs.spacy")
    with pytest.raises(ValueError, match="Document 1 of .*docs.spacy is damaged"):
        list(read_spacy_docs(tmp_path / "docs.spacy", Vocab()))


@pytest.mark.parametrize("part", ["all", "user_data", "span_groups", "a span group"])
def test_announced_and_not_there(part: str, tmp_path: Path) -> None:
    """Lists in lists that announce a million items each, in a file of some kB."""
    trap = b"\xdd\x00\x0f\xff\xff" * 100 + bytes(2**20)
    docs = DocBin(docs=make_docs(1), store_user_data=True)
    group = srsly.msgpack_dumps({b"x": trap})
    docs.user_data = [trap if part == "user_data" else docs.user_data[0]]
    docs.span_groups = [{"span_groups": trap, "a span group": group}.get(part, b"")]
    file = tmp_path / "docs.spacy"
    file.write_bytes(zlib.compress(trap) if part == "all" else docs.to_bytes())
    tracemalloc.start()
    with pytest.raises(ValueError, match="docs.spacy is damaged"):
        list(read_spacy_docs(file, Vocab()))
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def test_groups_of_spans_that_share_their_name(tmp_path: Path) -> None:
    doc = make_docs(1)[0]
    doc.spans["a"] = [doc[0:1]]
    doc.spans["b"] = doc.spans["a"]
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "docs.spacy")
    (again,) = read_spacy_docs(tmp_path / "docs.spacy", Vocab())
    assert [span.text for key in "ab" for span in again.spans[key]] == [doc[0:1].text] * 2


def test_spans_behind_the_end(tmp_path: Path) -> None:
    long, short = Doc(VOCAB, words=["a", "b", "c"]), Doc(VOCAB, words=["a"])
    long.spans["x"] = [Span(long, 1, 3)]
    doc_bin = DocBin(docs=[long, short])
    doc_bin.span_groups.reverse()
    doc_bin.to_disk(tmp_path / "docs.spacy")
    with pytest.raises(ValueError, match="Document 1 of .*docs.spacy is damaged"):
        list(read_spacy_docs(tmp_path / "docs.spacy", Vocab()))


@pytest.mark.parametrize("seed", range(40))
def test_damaged_file(seed: int, tmp_path: Path) -> None:
    """Whatever is damaged, the error is a ValueError."""
    choice = random.Random(seed)
    docs = make_docs(3)
    change_user_data(docs[1].user_data, choice)
    file = tmp_path / "docs.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(file)
    if seed % 2:
        file.write_bytes(change_packed(file.read_bytes(), choice))
    try:
        list(read_spacy_docs(file, Vocab()))
    except ValueError as error:
        assert "docs.spacy" in str(error)


def test_texts_that_are_missing(tmp_path: Path) -> None:
    """A key without its text would be an error wherever it is asked for."""
    docs = make_docs(2)
    docs[1].ents = [Span(docs[1], 0, 1, label="a label of its own")]
    doc_bin = DocBin(docs=docs)
    doc_bin.strings.remove("a label of its own")
    doc_bin.to_disk(tmp_path / "docs.spacy")
    with pytest.raises(ValueError, match="Document 1 of .*docs.spacy is damaged"):
        list(read_spacy_docs(tmp_path / "docs.spacy", Vocab()))
