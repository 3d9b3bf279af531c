"""The page in a real browser."""

import random
import re
import threading
from pathlib import Path
from typing import Iterator, List

import pytest
import spacy
import waitress
from playwright.sync_api import Browser, Locator, Page, expect
from spacy.language import Language
from spacy.tokens import Doc

from spacy_docre import Triple
from spacy_docre.annotate.inputs import InputDocument
from spacy_docre.annotate.outputs import OUTPUTS
from spacy_docre.display import render
from spacy_docre.display.server import make_app
from tests.conftest import open_page


@pytest.fixture
def page(browser: Browser, doc: Doc, tmp_path: Path) -> Iterator[Page]:
    """The document's page; no script on it fails, and nothing is asked of the network."""
    with open_page(browser, rendered([doc], tmp_path)) as page:
        yield page


def rendered(docs: List[Doc], folder: Path) -> Path:
    file = folder / "page.html"
    file.write_text(render(docs, page=True), encoding="utf8")
    return file


def row(page: Page, relation: int) -> Locator:
    return page.locator(f'tbody tr[data-relation="{relation}"]')


def texts(page: Page, selector: str) -> List[str]:
    return [text.strip() for text in page.locator(selector).all_inner_texts()]


def shown_names(page: Page) -> List[str]:
    return texts(page, "tbody tr:visible td:nth-child(2)")


def test_hovering_a_triple(page: Page) -> None:
    row(page, 1).hover()
    assert texts(page, ".mention.head") == ["Ada Lane", "She"]
    assert [text.split("\n")[0] for text in texts(page, ".mention.tail")] == [
        "<script>alert(1)</script> & Sons"
    ]
    assert page.locator(".sentence.lit").count() == 2
    page.locator("h2").hover()
    expect(page.locator(".lit")).to_have_count(0)


def test_hovering_a_mention_lights_its_entity(page: Page) -> None:
    page.locator('.mention[data-entity="1"]').first.hover()
    assert texts(page, ".mention.same") == ["Oslo", "Oslo"]


def test_pinning_a_triple(page: Page) -> None:
    row(page, 0).locator("td").nth(1).click()
    page.locator("h2").hover()
    assert texts(page, ".mention.tail") == ["Oslo", "Oslo"]
    assert row(page, 0).get_attribute("aria-selected") == "true"
    page.keyboard.press("Escape")
    expect(page.locator(".lit")).to_have_count(0)


def test_filters(page: Page) -> None:
    assert shown_names(page) == ["place of birth", "employer", "headquarters location"]
    page.get_by_label("Relation", exact=True).select_option("employer")
    assert shown_names(page) == ["employer"]
    expect(page.locator(".shown")).to_have_text("1 of 3 relations")
    page.get_by_label("Relation", exact=True).select_option("")
    page.get_by_label("Score at least").fill("0.5")
    assert shown_names(page) == ["place of birth", "employer"]
    page.get_by_label("Search").fill("OSLO")
    assert shown_names(page) == ["place of birth"]


def test_sorting(page: Page) -> None:
    header = page.get_by_role("columnheader", name="Score")
    assert header.get_attribute("aria-sort") == "descending"
    page.get_by_role("button", name="Score").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert shown_names(page) == ["headquarters location", "employer", "place of birth"]
    page.get_by_role("button", name="Relation", exact=True).click()
    assert shown_names(page) == ["employer", "headquarters location", "place of birth"]
    # What is lit is that of the row, wherever it has gone.
    row(page, 1).hover()
    expect(page.locator(".mention.tail")).to_have_text("<script>alert(1)</script> & Sons")


def test_clicking_an_entity(page: Page) -> None:
    page.locator('.mention[data-entity="0"]').first.click()
    card = page.locator(".card:visible")
    expect(card.locator("h3")).to_have_text("Ada Lane")
    assert "2 mentions" in card.inner_text() and "She" in card.inner_text()
    assert card.locator("li").count() == 2
    card.get_by_role("button", name="Oslo").click()
    expect(page.locator(".card:visible h3")).to_have_text("Oslo")
    page.locator(".card:visible .close").click()
    expect(page.locator(".card:visible")).to_have_count(0)
    row(page, 1).locator(".chip").last.click()
    expect(page.locator(".card:visible li")).to_have_count(2)


def test_keyboard(page: Page) -> None:
    row(page, 0).focus()
    expect(page.locator(".mention.tail")).to_have_text(["Oslo", "Oslo"])
    page.keyboard.press("ArrowDown")
    expect(row(page, 1)).to_be_focused()
    page.keyboard.press("Enter")
    assert row(page, 1).get_attribute("aria-selected") == "true"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(row(page, 1).locator(".chip").last).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(row(page, 1)).to_be_focused()
    page.keyboard.press("End")
    expect(row(page, 2)).to_be_focused()
    mention = page.locator('.mention[data-entity="1"]').first
    mention.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".card:visible h3")).to_have_text("Oslo")
    page.keyboard.press("Escape")
    expect(page.locator(".card:visible")).to_have_count(0)
    expect(mention).to_be_focused()


def test_tab_stops(browser: Browser, tmp_path: Path) -> None:
    """One for the text, one for the list and one for the graph, however long they are."""
    with open_page(browser, rendered([long_document(300)], tmp_path)) as page:
        stops = []
        for _ in range(40):
            page.keyboard.press("Tab")
            stops.append(page.evaluate(FOCUSED))
            if stops[-1] == "body":
                break
        assert stops[:2] == ["skip", "mention"]
        assert [stops.count(kind) for kind in ("mention", "tr", "canvas")] == [1, 1, 1]
        assert len(stops) < 25
        # Tab comes back to where the arrow keys have gone.
        page.locator("tbody tr").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        expect(page.locator("tbody tr").nth(1)).to_be_focused()


FOCUSED = """
() => {
  const { localName, classList } = document.activeElement;
  return localName === "tr" ? localName : classList[0] ?? localName;
}
"""


def test_landmarks(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(page.get_by_role("main").get_by_role("heading", level=2)).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def long_document(number: int) -> Doc:
    """So many entities, each of one mention and the head of two relations."""
    words = [f"Name{index}" for index in range(number)]
    doc = Doc(spacy.blank("en").vocab, words=words)
    doc._.entities = [[doc[index : index + 1]] for index in range(number)]
    doc._.relations = [
        Triple(index, (index + step) % number, f"P{step}", 1 - index / (2 * number), f"kind {step}")
        for step in (1, 2)
        for index in range(number)
    ]
    return doc


def test_rows_are_made_as_they_are_looked_at(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, rendered([long_document(200)], tmp_path)) as page:
        rows = page.locator("tbody tr")
        expect(page.locator(".shown")).to_have_text("400 of 400 relations")
        expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "401")
        expect(rows).to_have_count(50)
        page.locator(".scroll").evaluate("(scroll) => { scroll.scrollTop = scroll.scrollHeight; }")
        expect(rows).to_have_count(100)
        for _ in range(8):
            rows.last.focus()
        expect(rows).to_have_count(400)
        page.get_by_label("Search").fill("name199")
        # As head of two, and as tail of two.
        expect(rows).to_have_count(4)


def test_texts_are_whole(browser: Browser, tmp_path: Path) -> None:
    """However mentions overlap and cross sentences, and whatever characters there are, nothing of
    the text is lost or doubled, and each character is in the mentions of its entities."""
    chance = random.Random(0)
    docs = [random_document(chance) for _ in range(30)]
    with open_page(browser, rendered(docs, tmp_path)) as page:
        for number, doc in enumerate(docs):
            page.get_by_role("combobox", name="Document").select_option(index=number)
            parts = page.evaluate(PARTS)
            assert "".join(text for text, _ in parts) == doc.text
            found = [set(entities) for text, entities in parts for _ in text]
            assert found == [
                {
                    entity.index
                    for entity in doc._.entities
                    if any(
                        mention.start_char <= place < mention.end_char
                        for mention in entity.mentions
                    )
                }
                for place in range(len(doc.text))
            ]


PARTS = """
() => [...document.querySelectorAll(".document:not([hidden]) .sentence")]
  .flatMap((sentence) => [...sentence.childNodes])
  .map((part) => [part.textContent, part.dataset?.entity ?? ""])
  .map(([text, entities]) => [text, entities.split(" ").filter(Boolean).map(Number)])
"""


def random_document(chance: random.Random) -> Doc:
    length = chance.randint(1, 12)
    words = [
        chance.choice(["a", "\U0001f600", "e\u0301", "<b>", "\U0001f1f3\U0001f1f4"])
        for _ in range(length)
    ]
    doc = Doc(
        spacy.blank("en").vocab,
        words=words,
        spaces=[chance.random() < 0.5 for _ in words],
        sent_starts=[index == 0 or chance.random() < 0.3 for index in range(length)],
    )
    entities = []
    for _ in range(chance.randint(0, 4)):
        starts = [chance.randrange(length) for _ in range(chance.randint(1, 3))]
        entities.append([doc[at : at + chance.randint(1, 5)] for at in starts])
    doc._.entities = entities
    return doc


@pytest.mark.parametrize("format", ["csv", "json"])
def test_download(browser: Browser, doc: Doc, tmp_path: Path, format: str) -> None:
    """What is shown, as `docre annotate` would write it."""
    doc._.relations = [Triple(0, 1, "=1+1", 0.9, 'a "b",\nc', ((0, 7),)), Triple(0, 2, "P108", 0.5)]
    source = InputDocument("Ada <b>Lane</b>", doc)
    with open_page(browser, rendered([doc], tmp_path)) as page:
        for query, shown in (("", doc._.relations), ("oslo", doc._.relations[:1])):
            page.get_by_label("Search").fill(query)
            with page.expect_download() as waited:
                page.get_by_role("button", name=f"as {format}").click()
            name = waited.value.suggested_filename
            assert name == f"Ada b Lane b.{format}"
            waited.value.save_as(tmp_path / name)
            doc._.relations = [relation.triple for relation in shown]
            output = OUTPUTS[{"csv": ".csv", "json": ".jsonl"}[format]](tmp_path / "expected")
            output.write(doc, source)
            output.close()
            assert (tmp_path / name).read_bytes() == (tmp_path / "expected").read_bytes()


def test_markup_is_shown(page: Page) -> None:
    assert "<script>alert(1)</script> & Sons" in page.locator(".prose").inner_text()
    assert page.locator("h2").inner_text() == "Ada <b>Lane</b>"


def test_several_documents(browser: Browser, doc: Doc, tmp_path: Path) -> None:
    other = doc.copy()
    other.user_data["title"] = "The other"
    with open_page(browser, rendered([doc, other], tmp_path)) as page:
        expect(page.locator("h2:visible")).to_have_text("Ada <b>Lane</b>")
        page.get_by_title("Next document").click()
        expect(page.locator("h2:visible")).to_have_text("The other")
        page.locator("tbody tr:visible").first.hover()
        expect(page.locator(".mention.head:visible")).to_have_count(2)
        page.get_by_role("combobox", name="Document").select_option(index=0)
        expect(page.locator("h2:visible")).to_have_text("Ada <b>Lane</b>")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(browser: Browser, doc: Doc, tmp_path: Path, scheme: str) -> None:
    """Contrast as WCAG asks of body text, 4.5 to 1, on the paper and on a mention's colour."""
    with open_page(browser, rendered([doc], tmp_path)) as page:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for selector in (".prose", ".mention", ".summary", "td"):
            assert page.evaluate(CONTRAST, selector) >= 4.5, selector


# Colours are read back from a pixel, since color-mix() has no simple form.
CONTRAST = """
(selector) => {
  const context = document.createElement("canvas").getContext("2d");
  const luminance = (colors) => {
    context.clearRect(0, 0, 1, 1);
    for (const color of colors) { context.fillStyle = color; context.fillRect(0, 0, 1, 1); }
    const parts = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
      .map((value) => value / 255)
      .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const item = document.querySelector(selector);
  const grounds = [];
  for (let at = item; at; at = at.parentElement) {
    grounds.unshift(getComputedStyle(at).backgroundColor);
  }
  const [one, two] = [luminance(grounds), luminance([getComputedStyle(item).color])];
  return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
}
"""


@pytest.mark.parametrize("width", [360, 800, 1440])
def test_nothing_wider_than_the_window(
    browser: Browser, doc: Doc, tmp_path: Path, width: int
) -> None:
    with open_page(browser, rendered([doc], tmp_path)) as page:
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_served_page(browser: Browser, nlp: Language) -> None:
    app = make_app(nlp, title="pipeline", max_length=1000)
    server = waitress.create_server(app, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        page = browser.new_page()
        problems: List[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto(f"http://127.0.0.1:{server.effective_port}")
        page.get_by_role("textbox", name="A text").fill("Ada Lane was born in Oslo .")
        page.get_by_role("button", name="Find relations").click()
        page.locator("tbody tr").first.hover()
        expect(page.locator(".mention.head")).to_have_count(1)
        expect(page.locator(".drawn")).to_contain_text("drawn")
        with page.expect_download():
            page.get_by_role("button", name="CSV").click()
        page.get_by_role("link", name="an example").click()
        expect(page.get_by_role("textbox", name="A text")).to_have_value(re.compile("Marie Curie"))
        page.close()
        assert problems == []
    finally:
        server.close()
