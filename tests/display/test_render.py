"""`render`: Docs to HTML."""

import re
import sys
from importlib.resources import files
from types import SimpleNamespace
from typing import Any, Dict, List

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_docre import Triple
from spacy_docre.display import render
from spacy_docre.display.short_names import SHORT_NAMES

from ..hostile import texts
from .conftest import sent

STATIC = files("spacy_docre.display") / "static"


def test_page_is_whole_and_self_contained(doc: Doc) -> None:
    html = render(doc, page=True) or ""
    assert html.startswith("<!DOCTYPE html>") and html.rstrip().endswith("</html>")
    own = html.replace((STATIC / "cytoscape.min.js").read_text("utf8"), "")
    assert len(html) - len(own) > 300_000
    for outside in ("http://", "https://", "src=", "<link", "@import", "url("):
        assert outside not in own
    part = render(doc) or ""
    assert "<html" not in part and 'class="docre"' in part


def test_the_library_and_its_licence() -> None:
    """The licence is kept, in the package and in each page; markup would end the page's script."""
    script = (STATIC / "cytoscape.min.js").read_text("utf8")
    (licence,) = re.findall(r"Copyright \(c\) .*", (STATIC / "cytoscape.LICENSE").read_text("utf8"))
    assert licence in script
    for asset in STATIC.iterdir():
        assert not re.search("</(script|style)|<!--", asset.read_text("utf8"), re.IGNORECASE)


def test_the_library_is_sent_where_something_is_drawn(doc: Doc) -> None:
    assert "Cytoscape Consortium" in (render([doc, doc]) or "")
    assert "Cytoscape Consortium" not in (render(doc, options={"relations": []}) or "")


def test_a_text_is_sent_once(doc: Doc) -> None:
    long = Doc(doc.vocab, words=[f"w{index}" for index in range(5000)])
    long._.entities = [[long[index : index + 1]] for index in range(1000)]
    long._.relations = [Triple(i, (i + j) % 1000, "P1", 0.5) for j in (1, 2) for i in range(1000)]
    html = render(long, page=True) or ""
    assert html.count("w0 w1 w2") == 1
    assert len(html) < 1_000_000


def test_without_scripts(doc: Doc) -> None:
    """The relations can be read."""
    (listed,) = re.findall("<noscript>(.*?)</noscript>", render(doc) or "", re.DOTALL)
    assert "<li>Ada Lane: place of birth: Oslo (0.90)</li>" in listed
    assert listed.count("<li>") == 3


def test_text_is_escaped(doc: Doc) -> None:
    html = render(doc, page=True) or ""
    assert "<script>alert" not in html and "&lt;script&gt;alert(1)" in html
    assert "Ada <b>" not in html and "Ada &lt;b&gt;Lane" in html
    (data,) = sent(html)
    assert data["text"] == doc.text and data["title"] == "Ada <b>Lane</b>"


def test_hostile_texts() -> None:
    """None of them ends the data, and a browser reads them as they were."""
    nlp = spacy.blank("en")
    docs = [nlp(text) for text in ["a\x00b\r\nc\u2028d", *texts(seed=3, number=40)]]
    for doc in docs:
        doc._.entities = []
    assert [data["text"] for data in sent(render(docs) or "")] == [doc.text for doc in docs]


@pytest.mark.parametrize(
    "odd", ["</script><script>x()</script>", "\"' onclick='x()", "<!--", "]]>"]
)
def test_labels_and_names_are_escaped(odd: str) -> None:
    doc = Doc(spacy.blank("en").vocab, words=["a", "b"])
    doc._.entities = [[doc[0:1]], [doc[1:2]]]
    doc._.relations = [Triple(0, 1, odd, 0.5, odd)]
    html = render(doc) or ""
    assert odd not in html and html.count("<script>") == 1
    assert sent(html)[0]["types"] == [[odd, odd, odd]]


def test_title_falls_back_to_id_and_number(doc: Doc) -> None:
    other = doc.copy()
    del other.user_data["title"]
    other.user_data["id"] = "the id"
    third = other.copy()
    del third.user_data["id"]
    html = render([doc, other, third])
    assert "the id (3)" in html and "Document 3 (3)" in html


def test_colors(doc: Doc) -> None:
    (data,) = sent(render(doc, options={"colors": {"PER": "#123456"}}) or "")
    assert data["colors"]["PER"] == "#123456" and data["colors"]["LOC"] == "#10b981"


def test_short_names(doc: Doc) -> None:
    def shown(short_names: object) -> List[str]:
        (data,) = sent(render(doc, options={"short_names": short_names}) or "")
        assert [name for _, name, _ in data["types"]] == shown_names
        return [shown for *_, shown in data["types"]]

    shown_names = ["place of birth", "employer", "headquarters location"]
    assert shown(False) == shown_names
    assert shown(True) == ["place of birth", "employer", "headquarters"]
    assert shown({"P19": "born in"}) == ["born in", "employer", "headquarters location"]
    assert max(map(len, SHORT_NAMES.values())) <= 18


@pytest.mark.parametrize(
    "options, problem",
    [
        ({"colours": {}}, "colours"),
        ({"threshold": "high"}, "threshold"),
        ({"threshold": 2}, "threshold"),
        ({"relations": "P19"}, "relations"),
        ({"short_names": ["P19"]}, "short_names"),
    ],
)
def test_options_that_cannot_be_used(doc: Doc, options: Dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        render(doc, options=options)


def test_documents_that_nothing_has_annotated(doc: Doc) -> None:
    with pytest.warns(UserWarning, match="annotate it first"):
        html = render(Doc(doc.vocab, words=["a"])) or ""
    assert "<li>none</li>" in html and sent(html)[0]["relations"] == []
    with pytest.raises(ValueError, match="this is a str"):
        render(["text"])  # type: ignore[list-item]


def test_survives_storage(doc: Doc) -> None:
    stored = DocBin(store_user_data=True, docs=[doc]).to_bytes()
    (loaded,) = DocBin().from_bytes(stored).get_docs(doc.vocab)
    assert render(loaded) == render(doc)


def test_jupyter(doc: Doc, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    module = SimpleNamespace(HTML=lambda html: html, display=shown.append)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=module))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    assert render(doc, jupyter=True) is None
    assert shown == [render(doc, jupyter=False)]
