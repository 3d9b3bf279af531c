"""Measure pages: their size, the time to make them, and the time of a search on them.

python benchmarks/pages.py [MODEL] [--words 3000] [--triples 1000]
"""

import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import List, Tuple

import spacy
import typer
from common import machine, median_seconds
from playwright.sync_api import sync_playwright
from spacy.tokens import Doc
from wasabi import msg

from spacy_docre import Triple
from spacy_docre.annotate.inputs import InputDocument
from spacy_docre.annotate.outputs import Html
from spacy_docre.display import render

SAMPLES = Path(__file__).parent.parent / "assets" / "samples"
MODEL = Path(__file__).parent.parent / "assets" / "en_docre_wiki_sm"
NAMES = ("country of citizenship", "place of birth", "employer", "member of", "part of")
# The time from the input of a query to the next frame that is shown.
SEARCH = """
async () => {
  const times = [];
  const field = document.querySelector("[name=query]");
  for (const query of ["entity 1", "entity 12", "birth", "nothing like it", ""]) {
    const start = performance.now();
    field.value = query;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - start);
  }
  return times;
}
"""


def main(model: Path = MODEL, words: int = 3000, triples: int = 1000) -> None:
    """Measure pages.

    model (Path): The pipeline. The time to write a page is compared with its annotation time.
    words (int): The number of words of the long document.
    triples (int): The number of its triples. It has a third as many entities.
    """
    doc = long_document(words, triples)
    html = render(doc, page=True, jupyter=False) or ""
    seconds = median_seconds(lambda long: render(long, page=True, jupyter=False), lambda: doc, 3)
    share, per_document = share_of_annotation(model)
    opening, searches = in_a_browser(html)
    msg.text(machine())
    msg.table(
        [
            ("page, MB", f"{len(html.encode()) / 1e6:.2f}"),
            ("to make it, ms", f"{1000 * seconds:.0f}"),
            ("to open it, ms", f"{opening:.0f}"),
            ("a search, ms", ", ".join(f"{search:.0f}" for search in searches)),
            ("a sample in .html output, ms", f"{1000 * per_document:.1f}"),
            (".html output, of annotation", f"{share:.3f}"),
        ],
        header=(f"{words} words, {triples} triples", ""),
        divider=True,
    )


def long_document(words: int, triples: int) -> Doc:
    """Make a document of short sentences: "Entity 12 lived there."

    words (int): The number of its words.
    triples (int): The number of its triples.
    RETURNS (Doc): The document.
    """
    chance = random.Random(0)
    entities = max(triples // 3, 2)
    texts = ["Entity", "0", "lived", "there", "."] * (words // 5)
    doc_entities: List[List[Tuple[int, int]]] = [[] for _ in range(entities)]
    for place in range(0, len(texts), 5):
        entity = (place // 5) % entities
        texts[place + 1] = str(entity)
        doc_entities[entity].append((place, place + 2))
    starts = [place % 5 == 0 for place in range(len(texts))]
    doc = Doc(spacy.blank("en").vocab, words=texts, sent_starts=starts)
    doc._.entities = [[doc[start:end] for start, end in e] for e in doc_entities if e]
    pairs = [chance.sample(range(len(doc._.entities)), 2) for _ in range(triples)]
    doc._.relations = [
        Triple(head, tail, f"P{kind}", chance.random(), NAMES[kind], ((0, 5),))
        for head, tail in pairs
        for kind in [chance.randrange(len(NAMES))]
    ]
    return doc


def share_of_annotation(model: Path) -> Tuple[float, float]:
    """Measure the time of the .html output.

    model (Path): The pipeline.
    RETURNS (Tuple[float, float]): The time of the output as a share of the annotation time, and in
        seconds for each document.
    """
    nlp = spacy.load(model)
    texts = [path.read_text("utf8") for path in sorted(SAMPLES.glob("*.txt"))] * 2
    list(nlp.pipe(texts))
    annotation = median_seconds(lambda some: list(nlp.pipe(some)), lambda: texts, 3)
    docs = list(nlp.pipe(texts))

    def write(some: List[Doc]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            output = Html(Path(folder) / "page.html")
            for doc in some:
                output.write(doc, InputDocument("name", doc))
            output.close()

    writing = median_seconds(write, lambda: docs, 3)
    return writing / annotation, writing / len(docs)


def in_a_browser(html: str) -> Tuple[float, List[float]]:
    """Open the page and search.

    html (str): The page.
    RETURNS (Tuple[float, List[float]]): The milliseconds to open the page, and for each search.
    """
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(html, "utf8")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        page.goto(file.as_uri())
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        opening = 1000 * (time.perf_counter() - start)
        searches = page.evaluate(SEARCH)
        browser.close()
    return opening, searches


if __name__ == "__main__":
    typer.run(main)
