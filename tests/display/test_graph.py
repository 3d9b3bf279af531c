"""The graph of relations in a real browser. It is drawn on a canvas: what Cytoscape.js has is asked
of it."""

from contextlib import closing
from itertools import combinations
from pathlib import Path
from typing import Any, Iterator, List

import pytest
import spacy
from playwright.sync_api import Browser, Page, expect
from spacy.tokens import Doc

from spacy_docre import Triple
from spacy_docre.display import render
from tests.conftest import open_page

CY = "document.querySelector('.document:not([hidden]) .canvas')._cyreg.cy"


def of_graph(page: Page, what: str) -> Any:
    return page.evaluate(f"{CY}.{what}")


def happen(page: Page, selector: str, event: str) -> None:
    page.evaluate(f"() => {{ {CY}.elements({selector!r}).emit({event!r}); }}")


def labels(page: Page, selector: str) -> List[str]:
    found = of_graph(page, f"elements({selector!r}).map((one) => one.data('label'))")
    return sorted(found)


def show(browser: Browser, doc: Doc, folder: Path) -> Any:
    file = folder / "page.html"
    file.write_text(render(doc, page=True) or "", encoding="utf8")
    return open_page(browser, file)


@pytest.fixture
def page(browser: Browser, doc: Doc, tmp_path: Path) -> Iterator[Page]:
    """With parallel relations, and relations there and back."""
    doc._.relations = [*(r.triple for r in doc._.relations), Triple(0, 1, "P20", 0.5, "died in")]
    with show(browser, doc, tmp_path) as page:
        expect(page.locator(".drawn")).to_have_text("3 pairs of entities, all drawn.")
        yield page


def test_parallel_relations_are_one_edge(page: Page) -> None:
    names = ["Ada Lane", "Oslo", "<script>alert(1)</script> &…"]
    assert labels(page, "node") == sorted(names)
    assert labels(page, "edge") == ["employer", "headquarters location", "place of birth\ndied in"]


def test_what_is_lit(page: Page) -> None:
    page.locator("tbody tr", has_text="employer").hover()
    assert labels(page, "edge.lit") == ["employer"]
    assert "Ada Lane" in labels(page, "node.lit") and "Oslo" in labels(page, ".dim")
    happen(page, "edge[id = '0-1']", "mouseover")
    expect(page.locator("tbody tr.lit")).to_have_count(2)
    expect(page.locator(".mention.head")).to_have_text(["Ada Lane", "She"])
    happen(page, "node[id = 'entity 1']", "mouseover")
    expect(page.locator(".mention.same")).to_have_text(["Oslo", "Oslo"])
    assert labels(page, "edge.lit") == ["headquarters location", "place of birth\ndied in"]
    page.locator("h2").hover()
    assert labels(page, ".lit, .dim") == []


def test_clicks(page: Page) -> None:
    happen(page, "node[id = 'entity 2']", "tap")
    expect(page.locator(".card h3")).to_have_text("<script>alert(1)</script> & Sons")
    page.keyboard.press("Escape")
    expect(page.locator(".canvas")).to_be_focused()
    happen(page, "edge[id = '0-2']", "tap")
    expect(page.locator("tbody tr[aria-selected='true']")).to_contain_text("employer")


def test_filters(page: Page) -> None:
    page.get_by_label("Search").fill("employer")
    expect(page.locator(".drawn")).to_have_text("1 pair of entities, all drawn.")
    assert labels(page, "edge") == ["employer"] and len(labels(page, "node")) == 2
    page.get_by_label("Search").fill("died")
    page.wait_for_function(f"{CY}.edges().data('label') === 'died in'")
    page.get_by_label("Search").fill("nothing like it")
    expect(page.locator(".drawn")).to_have_text("No pair of entities to draw.")


def test_zoom_and_pan(page: Page) -> None:
    start = of_graph(page, "zoom()")
    page.get_by_role("button", name="Zoom in").click()
    assert of_graph(page, "zoom()") > start
    page.locator(".canvas").focus()
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert of_graph(page, "zoom()") < start
    before = of_graph(page, "pan()")
    page.keyboard.press("ArrowRight")
    assert of_graph(page, "pan().x") == before["x"] - 60
    page.keyboard.press("0")
    assert of_graph(page, "zoom()") == pytest.approx(start)


def test_a_wheel_scrolls_the_page_until_the_graph_is_chosen(page: Page) -> None:
    canvas = page.locator(".canvas")
    canvas.hover()
    start = of_graph(page, "zoom()")
    turn_wheel(page)
    assert of_graph(page, "zoom()") == start
    canvas.scroll_into_view_if_needed()
    canvas.click(position={"x": 5, "y": 5})
    expect(canvas).to_be_focused()
    # Cytoscape.js takes no wheel while the page scrolls, and a quarter of a second after.
    page.wait_for_timeout(500)
    turn_wheel(page)
    assert of_graph(page, "zoom()") > start


def turn_wheel(page: Page) -> None:
    """By several steps: of the first ones Cytoscape.js learns what kind of wheel it is."""
    for _ in range(8):
        page.mouse.wheel(0, -60)
        page.wait_for_timeout(30)


def test_dragging(page: Page) -> None:
    page.locator(".canvas").scroll_into_view_if_needed()
    box = page.locator(".canvas").bounding_box()
    node = of_graph(page, "nodes()[0].renderedPosition()")
    before = of_graph(page, "nodes()[0].position()")
    assert box
    page.mouse.move(box["x"] + node["x"], box["y"] + node["y"])
    page.mouse.down()
    page.mouse.move(box["x"] + node["x"] + 40, box["y"] + node["y"] + 30, steps=4)
    page.mouse.up()
    assert of_graph(page, "nodes()[0].position().x") > before["x"] + 10
    # It stays there when others come and go.
    after = of_graph(page, "nodes()[0].position()")
    page.get_by_label("Search").fill("headquarters")
    expect(page.locator(".drawn")).to_contain_text("1 pair")
    page.get_by_label("Search").fill("")
    expect(page.locator(".drawn")).to_contain_text("3 pairs")
    assert of_graph(page, "getElementById('entity 0').position()") == after


def crowded(number: int) -> Doc:
    names = [f"Entity {index}" for index in range(number)]
    doc = Doc(spacy.blank("en").vocab, words=[word for name in names for word in name.split()])
    doc._.entities = [[doc[2 * index : 2 * index + 2]] for index in range(number)]
    doc._.relations = [
        Triple(
            i % number, (7 * i + 3 + i // number) % number, "r", 1 - i / (4 * number), f"name {i}"
        )
        for i in range(3 * number // 2)
    ]
    return doc


@pytest.mark.parametrize("width", [400, 1280])
def test_many_pairs(browser: Browser, tmp_path: Path, width: int) -> None:
    """The weak ones are not drawn at first, and counted; boxes do not overlap; all is seen."""
    file = tmp_path / "page.html"
    file.write_text(render(crowded(40), page=True) or "", encoding="utf8")
    with closing(browser.new_page(viewport={"width": width, "height": 800})) as page:
        page.goto(file.as_uri())
        expect(page.locator(".drawn")).to_contain_text("weaker hidden.")
        drawn = len(labels(page, "edge"))
        assert 8 <= drawn <= 40 and (drawn < 12) == (width == 400)
        told = page.locator(".drawn").inner_text()
        assert told.startswith(f"{drawn} of 60 pairs of entities drawn, from score 0.")
        assert told.endswith(f"; {60 - drawn} weaker hidden.")
        assert_readable(page)
        page.get_by_label("Strongest pairs").fill("60")
        expect(page.locator(".drawn")).to_have_text("60 pairs of entities, all drawn.")
        assert_readable(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def assert_readable(page: Page) -> None:
    boxes = of_graph(
        page, "nodes().map((node) => node.renderedBoundingBox({ includeLabels: false }))"
    )
    size = of_graph(page, "width()"), of_graph(page, "height()")
    for box in boxes:
        assert 0 <= box["x1"] and box["x2"] <= size[0] and 0 <= box["y1"] and box["y2"] <= size[1]
    for one, other in combinations(boxes, 2):
        assert (
            one["x2"] <= other["x1"]
            or other["x2"] <= one["x1"]
            or one["y2"] <= other["y1"]
            or other["y2"] <= one["y1"]
        )


def test_the_same_drawing_each_time(browser: Browser, tmp_path: Path) -> None:
    places = []
    for _ in range(2):
        with show(browser, crowded(20), tmp_path) as page:
            expect(page.locator(".drawn")).to_contain_text("drawn")
            places.append(of_graph(page, "nodes().map((node) => node.position())"))
    assert places[0] == places[1]


def test_colors_follow_the_scheme(page: Page) -> None:
    """Of any form that browsers read."""
    seen = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.wait_for_timeout(50)
        seen.append(of_graph(page, "nodes()[0].style('color')"))
        seen.append(of_graph(page, "nodes()[0].style('background-color')"))
    assert len(set(seen)) == 4


def test_own_colors(browser: Browser, doc: Doc, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    options = {"colors": {"PER": "oklch(0.6 0.2 30)", "LOC": "red;} *"}}
    file.write_text(render(doc, page=True, options=options) or "", encoding="utf8")
    with open_page(browser, file) as page:
        expect(page.locator(".drawn")).to_contain_text("drawn")
        color = of_graph(page, "getElementById('entity 0').style('border-color')")
        red, green, blue = (int(part) for part in color[4:-1].split(","))
        assert red > green and red > blue
