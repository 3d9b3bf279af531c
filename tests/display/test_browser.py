"""The page in a real browser."""

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
    expect(page.locator(".arrow.lit")).to_have_count(1)
    expect(page.locator('.arrow.lit[data-relation="1"]')).to_have_count(1)
    assert page.locator(".node.head text").text_content() == "Ada Lane"
    page.locator("h2").hover()
    expect(page.locator(".lit")).to_have_count(0)


def test_hovering_an_arrow(page: Page) -> None:
    page.locator('.arrow[data-relation="0"] .line').dispatch_event("mouseover", {"bubbles": True})
    assert "lit" in (row(page, 0).get_attribute("class") or "")


def test_hovering_a_mention_lights_its_entity(page: Page) -> None:
    page.locator('.mention[data-entity="1"]').first.hover()
    assert texts(page, ".mention.same") == ["Oslo", "Oslo"]


def test_pinning_a_triple(page: Page) -> None:
    row(page, 0).locator("td").nth(1).click()
    page.locator("h2").hover()
    assert texts(page, ".mention.tail") == ["Oslo", "Oslo"]
    assert row(page, 0).get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    expect(page.locator(".lit")).to_have_count(0)


def test_filters(page: Page) -> None:
    assert shown_names(page) == ["place of birth", "employer", "headquarters location"]
    page.get_by_label("Relation", exact=True).select_option("employer")
    assert shown_names(page) == ["employer"]
    expect(page.locator(".arrow:visible")).to_have_count(1)
    expect(page.locator(".node:visible")).to_have_count(2)
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
    row(page, 2).hover()
    expect(page.locator('.arrow.lit[data-relation="2"]')).to_have_count(1)


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
    page.locator('.node[data-entity="2"]').click()
    expect(page.locator(".card:visible li")).to_have_count(2)


def test_keyboard(page: Page) -> None:
    row(page, 0).focus()
    expect(page.locator('.arrow.lit[data-relation="0"]')).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(page.locator('.arrow.lit[data-relation="1"]')).to_have_count(1)
    page.keyboard.press("Enter")
    assert row(page, 1).get_attribute("aria-pressed") == "true"
    mention = page.locator('.mention[data-entity="1"]').first
    mention.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".card:visible h3")).to_have_text("Oslo")
    page.keyboard.press("Escape")
    expect(page.locator(".card:visible")).to_have_count(0)
    expect(mention).to_be_focused()


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
        assert page.locator(".arrow.lit:visible").count() == 1
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


def test_many_entities_and_triples(browser: Browser, tmp_path: Path) -> None:
    """40 entities and 60 triples: no boxes overlap as drawn, and text is not below 8 pixels."""
    names = [f"Entity {index}" for index in range(40)]
    doc = Doc(spacy.blank("en").vocab, words=[word for name in names for word in name.split()])
    doc._.entities = [[doc[2 * index : 2 * index + 2]] for index in range(40)]
    doc._.relations = [Triple(i % 40, (7 * i + 3) % 40, "r", 0.5, f"name {i}") for i in range(60)]
    with open_page(browser, rendered([doc], tmp_path)) as page:
        boxes = [node.bounding_box() for node in page.locator(".node rect").all()]
        assert len(boxes) >= 30
        for index, one in enumerate(boxes):
            for other in boxes[:index]:
                assert one and other
                assert (
                    one["x"] + one["width"] <= other["x"]
                    or other["x"] + other["width"] <= one["x"]
                    or one["y"] + one["height"] <= other["y"]
                    or other["y"] + other["height"] <= one["y"]
                )
        scale = page.evaluate("document.querySelector('svg').getScreenCTM().a")
        assert 11 * scale >= 7.5


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
        page.get_by_role("textbox").fill("Ada Lane was born in Oslo .")
        page.get_by_role("button", name="Find relations").click()
        page.locator("tbody tr").first.hover()
        expect(page.locator(".arrow.lit")).to_have_count(1)
        page.close()
        assert problems == []
    finally:
        server.close()
