import gzip
import tracemalloc
from pathlib import Path
from typing import Callable, List, Tuple

import pytest
from spacy.tokens import Doc, Span

from spacy_docre.data.facts import read_knowledge_base

NT = (
    "<http://www.wikidata.org/entity/Q1> <http://www.wikidata.org/prop/direct/P19> "
    "<http://www.wikidata.org/entity/Q2> .\n"
    "# a comment\n\n"
    '<http://www.wikidata.org/entity/Q1> <http://www.w3.org/2000/01/rdf-schema#label> "Ada"@en .\n'
)
BY_NAME = {
    "facts.csv": 'note,head,relation,tail\n,"Lane, Ada",P19,Oslo\n\n',
    "facts.tsv": "head\trelation\ttail\tnote\nLane, Ada\tP19\tOslo\t\n",
    "facts.jsonl": '{"head": "Lane, Ada", "relation": "P19", "tail": "Oslo", "note": 1}\n\n',
}
BY_ID = {
    "facts.csv": "head_id,relation,tail_id\nQ1,P19,Q2\n",
    "facts.tsv": "Q1\tP19\tQ2\n",
    "facts.txt": "Q1\tP19\tQ2\nQ3\tP19\tQ4\n",
    "facts.jsonl": '{"head_id": "Q1", "relation": "P19", "tail_id": "Q2", "head": "Ada"}\n',
    "facts.nt": NT,
}


@pytest.fixture
def doc(make_doc: Callable) -> Doc:
    doc = make_doc(["Lane", ",", "Ada", "of", "Oslo"], [[(0, 3)], [(4, 5)]])
    doc.ents = [Span(doc, 0, 3, label="P", kb_id="Q1"), Span(doc, 4, 5, label="L", kb_id="Q2")]
    return doc


def found(path: Path, doc: Doc) -> List[Tuple[int, int, str]]:
    read_knowledge_base(path).align(doc)
    return [(r.triple.head, r.triple.tail, r.label_) for r in doc._.relations]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name, text", [*BY_NAME.items(), *BY_ID.items()])
def test_facts(name: str, text: str, packed: bool, doc: Doc, tmp_path: Path) -> None:
    path = tmp_path / (f"{name}.gz" if packed else name)
    data = b"\xef\xbb\xbf" + text.encode() if not name.endswith(".nt") else text.encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    assert found(path, doc) == [(0, 1, "P19")]


@pytest.mark.parametrize(
    "name, text, problem",
    [
        ("facts.csv", "Ada,P19,Oslo\n", "first line should name the columns head, relation, tail"),
        ("facts.csv", "", "first line should name the columns"),
        ("facts.csv", "head,relation,tail,head\nA,P1,B,C\n", "names a column twice"),
        ("facts.csv", "head,relation,tail\nAda,P19,Oslo\nAda,P19\n", "line 3 is no fact"),
        ("facts.csv", "head,relation,tail\nAda, ,Oslo\n", "line 2 is no fact"),
        ("facts.csv", "head,relation,tail\nLane, Ada,P1,Oslo\n", "line 2 has 4 columns"),
        ("facts.tsv", "Q1\tP19\tQ2\nQ1\n", "line 2 is no fact"),
        ("facts.jsonl", '{"head": "Ada", "relation": "P19", "tail": 3}', "line 1 is no fact"),
        ("facts.jsonl", "[]", "line 1 is no fact"),
        ("facts.jsonl", "\n{", "line 2 is not JSON"),
        ("facts.nt", "Q1 P19 Q2 .\n", "line 1, is no N-triple"),
        ("facts.nt", NT + "<a:\\UFFFFFFFF> <a:P1> <a:Q2> .", "line 5, is no N-triple"),
        ("facts.xml", "", "not of a known kind.*--from-gold"),
        ("facts.gz", "", "not of a known kind"),
    ],
)
def test_malformed(name: str, text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(
        gzip.compress(text.encode()) if name == "facts.gz" else text.encode()
    )
    with pytest.raises(ValueError, match=problem):
        read_knowledge_base(tmp_path / name)


def test_quotes_in_tsv_are_letters(make_doc: Callable, tmp_path: Path) -> None:
    lines = ["head\trelation\ttail", 'Bowie\tP1\t"Heroes', "Ada\tP19\tOslo", 'Eno\tP2\t"Here']
    (tmp_path / "facts.tsv").write_text("\n".join(lines))
    assert len(read_knowledge_base(tmp_path / "facts.tsv")) == 3


def test_relations_that_are_not_wanted(doc: Doc, tmp_path: Path) -> None:
    (tmp_path / "facts.csv").write_text(BY_NAME["facts.csv"] + ',"Lane, Ada",P20,Oslo\n')
    knowledge = read_knowledge_base(tmp_path / "facts.csv", {"P20": "place of death"})
    knowledge.align(doc)
    assert len(knowledge) == 1
    assert [relation.label_ for relation in doc._.relations] == ["P20"]


def test_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "facts.csv").write_bytes(b"head,relation,tail\n\xff,P1,b\n")
    with pytest.raises(ValueError, match="facts.csv is not UTF-8"):
        read_knowledge_base(tmp_path / "facts.csv")


def test_cut_off(tmp_path: Path) -> None:
    packed = gzip.compress(b"head,relation,tail\n" + b"a,P1,b\n" * 1000)
    (tmp_path / "facts.csv.gz").write_bytes(packed[:-20])
    with pytest.raises(ValueError, match="cannot be unpacked.*Download it again"):
        read_knowledge_base(tmp_path / "facts.csv.gz")


@pytest.mark.parametrize("name", ["facts.csv.gz", "facts.tsv.gz", "facts.jsonl.gz", "facts.nt.gz"])
def test_a_line_without_an_end(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacy_docre.data.facts.MAX_BYTES", 1000)
    first = "head\trelation\ttail\n" if ".tsv" in name else "head,relation,tail\n"
    with gzip.open(tmp_path / name, "wt") as stream:
        stream.write(first + "a" * 10_000_000 if "sv" in name else "a" * 10_000_000)
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"{name}, line [12] is longer than 1,000 bytes"):
        read_knowledge_base(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_errors_are_short(tmp_path: Path) -> None:
    for name in ("facts.csv", "facts.nt"):
        (tmp_path / name).write_text("a" * 100_000)
        with pytest.raises(ValueError, match="facts.*aaa") as caught:
            read_knowledge_base(tmp_path / name)
        assert len(str(caught.value)) < 1000


def test_line_ends_of_any_system(doc: Doc, tmp_path: Path) -> None:
    for name, text in (("facts.csv", BY_NAME["facts.csv"]), ("facts.nt", BY_ID["facts.nt"])):
        sizes = set()
        for end in ("\n", "\r\n", "\r"):
            (tmp_path / name).write_bytes(text.replace("\n", end).encode())
            sizes.add(len(read_knowledge_base(tmp_path / name)))
        assert len(sizes) == 1 and sizes.pop() > 0
