"""Documents with a layout to prose."""

import sys
import zipfile
from pathlib import Path
from typing import Any, List

import pytest
from spacy.vocab import Vocab

from spacy_docre.annotate.inputs import Failure, list_files, read_inputs
from spacy_docre.annotate.inputs.conversion import html_to_text, markdown_to_text


def read(*paths: Path) -> List[Any]:
    return list(read_inputs(list_files(paths), Vocab()))


@pytest.mark.parametrize(
    "html, text",
    [
        ("<h1>Ada</h1><p>in  <b>Os</b>lo &amp;\n<a href='x'>Rome</a>", "Ada\n\nin Oslo & Rome"),
        ("<table><tr><td>a<td>b<tr><td>c</table>d", "a\n\nb\n\nc\n\nd"),
        ("<ul><li>a<li>b</ul><div>c</div>d<my-tag>e</my-tag>", "a\n\nb\n\nc\n\nd\n\ne"),
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<title>t</title><script>x</script><style>x</style><!-- x --><p>y", "y"),
        ("Oslo<sup><a href='#1'>[1]</a></sup>. 5 m<sup>2</sup>", "Oslo. 5 m2"),
        ("War&shy;saw&nbsp;x<img alt=y>", "Warsaw x"),
        ("<pre>a\nb  c</pre>", "a\nb c"),
        ("<?xml version='1.0' encoding='latin-1'?><p>é</p>", "é"),
        ("<!--" * 20_000, ""),
        ("<div>" * 20_000 + "deep", "deep"),
        ("", ""),
    ],
)
def test_html(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    "hidden",
    [
        *(
            f"<{tag} {attribute}>Rome, <b>Paris</b><{tag}>Lyon</{tag}></{tag}>"
            for tag in ("div", "span", "section")
            for attribute in (
                *("hidden", "hidden=''", "HIDDEN=hidden"),
                *("style=display:none", "style='color: red; DISPLAY : none !important; top: 1'"),
                *("style='visibility:hidden'", "style='display:none;'"),
            )
        ),
        *(
            f"<{tag}>Rome<option>Paris</{tag}>"
            for tag in ("template", "noscript", "datalist", "dialog", "noframes", "select")
        ),
        "<select><optgroup label=x><option>Rome<option selected>Paris</optgroup></select>",
        "<br hidden><wbr hidden><img hidden alt=Rome><input type=hidden value=Rome>",
        "<ul><li hidden>Rome<li hidden>Paris</ul>",
        "<table><tr hidden><td>Rome<td>Paris</table>",
        "<template><template>Rome</template>Paris</template>",
    ],
)
def test_what_a_page_does_not_show(hidden: str) -> None:
    for where in (f"<p>Ada</p>{hidden}<p>Bo", f"<div>Ada{hidden}</div><p>Bo"):
        assert html_to_text(where) == "Ada\n\nBo"


@pytest.mark.parametrize(
    "attribute",
    [
        *("hidden=until-found", "aria-hidden=true", "style=display:block", "data-hidden"),
        *("style='--display:none'", "style='display:none-of-these'", "class=hidden"),
    ],
)
def test_what_a_page_shows(attribute: str) -> None:
    assert html_to_text(f"<p>Ada</p><div {attribute}>Rome</div>") == "Ada\n\nRome"
    assert html_to_text("<details><summary>a</summary>b</details>") == "a\n\nb"
    assert html_to_text("<dialog open>a</dialog>") == "a"


def test_markdown() -> None:
    text = "---\ntitle: x\n---\n# *Ada*\nwas in [Oslo](x) &amp; a_b_c\n\n- one\n- two\n\n"
    table = "| a | b |\n|---|---|\n| c | d |\n"
    assert markdown_to_text(text + table) == (
        "Ada\n\nwas in Oslo & a_b_c\n\none\n\ntwo\n\na\n\nb\n\nc\n\nd"
    )


def test_markdown_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "markdown_it", None)
    (tmp_path / "a.md").write_text("*Ada*")
    with pytest.warns(UserWarning, match=r"marks of Markdown.*spacy-docre\[convert\]"):
        assert read(tmp_path)[0].content == "*Ada*"


def test_what_html_says_of_its_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes("<meta charset='cp1251'><p>Ж".encode("cp1251"))
    (tmp_path / "b.html").write_bytes("<meta charset='cp1251'><p>Ж".encode())
    assert [item.content for item in read(tmp_path)] == ["Ж", "Ж"]


_DOCX = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
    "<w:p><w:r><w:t>Ada</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>Oslo</w:t></w:r></w:p>"
    "</w:tc></w:tr></w:tbl></w:body></w:document>"
)


def test_docx(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as file:
        file.writestr("word/document.xml", _DOCX)
    (tmp_path / "b.docx").write_bytes(b"\xd0\xcf\x11\xe0")
    item, failure = read(tmp_path)
    assert item.content == "Ada\n\nOslo"
    assert isinstance(failure, Failure) and "protected by a password" in failure.problem


def make_pdf(content: str, trailer: str = "") -> bytes:
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
        "/Resources<</Font<</F 5 0 R>>>>>>",
        f"<</Length {len(content)}>>\nstream\n{content}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    data, places = "%PDF-1.4\n", []
    for number, text in enumerate(objects, start=1):
        places.append(len(data))
        data += f"{number} 0 obj\n{text}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    start = len(data)
    data += f"xref\n0 6\n0000000000 65535 f \n{table}trailer\n<</Size 6/Root 1 0 R{trailer}>>\n"
    return f"{data}startxref\n{start}\n%%EOF".encode("latin-1")


LINES = "BT /F 12 Tf 14 TL 50 700 Td (Ada was in Swit-) Tj T* (zerland, in) Tj T* (Oslo.) Tj ET"
ENCRYPTED = "/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<{0}>/U<{0}>>>".format("00" * 32)


@pytest.mark.parametrize(
    "data, problem",
    [
        (make_pdf(""), "holds no text.*OCR"),
        (make_pdf(LINES, ENCRYPTED), "protected by a password"),
        (b"no page", "is damaged"),
    ],
)
def test_pdf(tmp_path: Path, data: bytes, problem: str) -> None:
    (tmp_path / "a.pdf").write_bytes(data)
    (tmp_path / "b.pdf").write_bytes(make_pdf(LINES))
    failure, item = read(tmp_path)
    assert item.content == "Ada was in Switzerland, in Oslo."
    with pytest.raises(ValueError, match=problem):
        raise ValueError(failure.problem)
