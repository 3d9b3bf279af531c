"""`render`: Docs to HTML."""

import sys
from types import SimpleNamespace
from typing import Any, Dict

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_docre import Triple
from spacy_docre.display import render


def test_page_is_whole_and_self_contained(doc: Doc) -> None:
    html = render(doc, page=True)
    assert html.startswith("<!DOCTYPE html>") and html.rstrip().endswith("</html>")
    for outside in ("http://", "https://", "src=", "<link", "@import", "url("):
        assert outside not in html
    part = render(doc)
    assert "<html" not in part and 'class="docre"' in part


def test_text_is_escaped(doc: Doc) -> None:
    html = render(doc, page=True)
    assert "<script>alert" not in html and "&lt;script&gt;alert(1)" in html
    assert "Ada <b>" not in html and "Ada &lt;b&gt;Lane" in html


@pytest.mark.parametrize(
    "odd", ["</script><script>x()</script>", "\"' onclick='x()", "<!--", "]]>"]
)
def test_labels_and_names_are_escaped(odd: str) -> None:
    doc = Doc(spacy.blank("en").vocab, words=["a", "b"])
    doc._.entities = [[doc[0:1]], [doc[1:2]]]
    doc._.relations = [Triple(0, 1, odd, 0.5, odd)]
    html = render(doc)
    assert odd not in html and html.count("<script>") == 1


def test_title_falls_back_to_id_and_number(doc: Doc) -> None:
    other = doc.copy()
    del other.user_data["title"]
    other.user_data["id"] = "the id"
    third = other.copy()
    del third.user_data["id"]
    html = render([doc, other, third])
    assert "the id (3)" in html and "Document 3 (3)" in html


def test_colors(doc: Doc) -> None:
    assert "--color: #123456" in render(doc, options={"colors": {"PER": "#123456"}})


@pytest.mark.parametrize(
    "options, problem",
    [
        ({"colours": {}}, "colours"),
        ({"threshold": "high"}, "threshold"),
        ({"threshold": 2}, "threshold"),
        ({"relations": "P19"}, "relations"),
    ],
)
def test_options_that_cannot_be_used(doc: Doc, options: Dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        render(doc, options=options)


def test_documents_that_nothing_has_annotated(doc: Doc) -> None:
    with pytest.warns(UserWarning, match="annotate it first"):
        html = render(Doc(doc.vocab, words=["a"]))
    assert "No relations were found" in html
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
