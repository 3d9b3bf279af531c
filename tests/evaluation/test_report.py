"""Reports: what they say, and the page in a real browser."""

from collections import Counter
from pathlib import Path
from typing import Dict, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_docre import Triple
from spacy_docre.data.gold_annotations import set_gold_annotations
from spacy_docre.evaluation.answers import Answer, Answers
from spacy_docre.evaluation.evaluation import Evaluation
from spacy_docre.evaluation.gold import GoldDocument
from spacy_docre.evaluation.metrics import ScoredTriple
from spacy_docre.evaluation.report import to_markdown, to_page
from spacy_docre.evaluation.tables import comparison, to_annotate
from spacy_docre.evaluation.training_data import TrainingData
from tests.conftest import open_page

NAMES = {"P19": "place of birth", "P17": "country | state", "P1": "<b>bold</b>"}
WORDS = "Ada saw Oslo . Norway <script>alert(1)</script> .".split()


@pytest.fixture(scope="module")
def docs() -> Dict[str, Doc]:
    docs = {}
    for title in ("A & <i>B</i>", "C"):
        doc = Doc(Vocab(), words=WORDS, sent_starts=[i in (0, 4) for i in range(len(WORDS))])
        mentions = [[(0, 1, "PER")], [(2, 3, "LOC")], [(4, 5, "LOC")], [(5, 6, "MISC")]]
        relations = [
            Triple(0, 1, "P19", evidence=((0, 4),)),
            Triple(0, 2, "P19"),
            Triple(1, 2, "P17", evidence=((4, 7),)),
            Triple(0, 3, "P1"),
        ]
        set_gold_annotations(doc, mentions, relations)
        docs[title] = doc
    return docs


@pytest.fixture(scope="module")
def evaluation(docs: Dict[str, Doc]) -> Evaluation:
    """In both documents one triple is correct and one spurious; in the first one more is wrong."""
    answers: Answers = {}
    for title in docs:
        answers[ScoredTriple(title, 0, 1, "P19")] = Answer(frozenset({0}), 0.9)
        answers[ScoredTriple(title, 2, 1, "P17")] = Answer(frozenset(), 0.8)
    answers[ScoredTriple("A & <i>B</i>", 1, 2, "P1")] = Answer(frozenset(), 0.7)
    answers[ScoredTriple("A & <i>B</i>", -1, 2, "P1")] = Answer(frozenset(), 0.6)
    documents = {title: GoldDocument.from_doc(doc, title) for title, doc in docs.items()}
    return Evaluation(documents, answers)


def test_relations_to_annotate(evaluation: Evaluation) -> None:
    # P19 has F1 2/3, the best; the others have none correct.
    assert to_annotate(evaluation.metrics) == ["P1", "P17"]


def test_markdown(evaluation: Evaluation) -> None:
    report = to_markdown("A title", evaluation, NAMES)
    assert report.startswith("# A title\n")
    assert "| country \\| state (P17)" in report
    assert "Annotate more of: &lt;b>bold&lt;/b> (P1), F1 " in report
    assert "; country \\| state (P17), F1 " in report
    rows = [line for line in report.splitlines() if line.startswith("| place of birth")]
    assert [cell.strip() for cell in rows[0].split("|")[2:9]] == [
        "100.00", "50.00", "66.67", "2", "2", "0", "4",
    ]  # fmt: skip


def test_documents_keep_their_relations(evaluation: Evaluation, docs: Dict[str, Doc]) -> None:
    before = {title: doc.to_bytes() for title, doc in docs.items()}
    to_page("A title", evaluation, docs, NAMES)
    assert {title: doc.to_bytes() for title, doc in docs.items()} == before


BORN, SELF = ScoredTriple("A", 0, 1, "P19"), ScoredTriple("A", 0, 0, "P19")


@pytest.mark.parametrize("relations", [[], [Triple(0, 1, "P19")]], ids=["no gold", "gold"])
@pytest.mark.parametrize("num_words", [0, 1, 3])
@pytest.mark.parametrize(
    "answers",
    [
        {},
        {BORN: Answer(frozenset({7}), 0.5)},
        {SELF: Answer()},
        {BORN._replace(document="?"): Answer()},
    ],
    ids=["nothing", "a triple", "an entity with itself", "another document"],
)
def test_odd_documents_and_answers(relations: list, num_words: int, answers: Answers) -> None:
    doc = Doc(Vocab(), words=["Ada"] * num_words)
    set_gold_annotations(doc, [[(index, index + 1, "PER")] for index in range(num_words)], [])
    doc._.relations = relations if num_words > 1 else []
    training = TrainingData({("Ada", "Ada", "P19")}, Counter({"P19": 3}))
    evaluation = Evaluation(
        {"A": GoldDocument.from_doc(doc, "A")}, answers, None, training, training
    )
    compared = comparison(evaluation.compare(evaluation), "itself")
    report = to_markdown("A title", evaluation, {}, compared)
    assert "| F1 | +0.00 | +0.00 to +0.00 | 100.0% |" in report.replace("  ", " ")
    if relations and num_words > 1 and BORN not in answers:
        assert "Annotate more of: P19, F1 0, 1 not found" in report
    assert "</html>" in to_page("A title", evaluation, {"A": doc}, {}, compared)


@pytest.fixture
def page(
    browser: Browser, evaluation: Evaluation, docs: Dict[str, Doc], tmp_path: Path
) -> Iterator[Page]:
    compared = comparison(evaluation.compare(evaluation), "<u>itself</u>")
    file = tmp_path / "report.html"
    html = to_page("<i>A</i> title", evaluation, docs, NAMES, compared)
    file.write_text(html, encoding="utf8")
    with open_page(browser, file) as page:
        yield page


def test_tables(page: Page) -> None:
    expect(page.locator("h1")).to_have_text("<i>A</i> title")
    expect(page.locator(".advice")).to_contain_text("Annotate more of: <b>bold</b> (P1)")
    expect(page.locator("h2").nth(1)).to_have_text("Compared with <u>itself</u>")
    cells = page.locator("tr", has_text="W: wrong relation").locator("td")
    assert cells.all_inner_texts() == ["1", "9.1", "12.5", "16.7"]


def test_charts(page: Page) -> None:
    for name in ("relations", "curve", "errors", "by-entities", "by-words", "by-distance"):
        expect(page.locator(f"#{name} .main-svg").first).to_be_visible()
    expect(page.locator("#curve .legend")).to_contain_text("TH (P > 0.5)")
    # Plotly would read markup in names.
    for name in ("country | state (P17)", "<b>bold</b> (P1)"):
        expect(page.locator("#relations .yaxislayer-above")).to_contain_text(name)
    bars = page.locator("#errors .bars .point text")
    assert bars.all_text_contents() == ["2", "1", "5", "3"]


def test_link_from_an_error_class_to_a_document(page: Page) -> None:
    missed = page.locator(".errors > details", has_text="missed (5)")
    missed.locator("summary").click()
    missed.locator("a", has_text="C").click()
    shown = page.locator(".document:not([hidden])")
    expect(shown.locator("h2")).to_have_text("C")
    rows = shown.locator("tbody tr:not([hidden])")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="missed: country | state")).to_have_count(1)
    rows.filter(has_text="missed: country | state").hover()
    expect(shown.locator(".mention.head")).to_have_text("Oslo")
    expect(shown.locator(".mention.tail")).to_have_text("Norway")
    expect(shown.locator(".sentence.lit")).to_contain_text("Norway <script>")


def test_what_was_taken_for_what(page: Page) -> None:
    page.locator(".errors > details", has_text="wrong relation").locator("summary").click()
    page.locator("[data-error='wrong relation']").click()
    shown = page.locator(".document:not([hidden])")
    expect(shown.locator("h2")).to_have_text("A & <i>B</i>")
    expect(shown.locator("tbody tr:not([hidden])")).to_contain_text(
        "wrong relation: <b>bold</b>, not country | state"
    )


def test_triples_of_no_gold_entity_are_counted(page: Page) -> None:
    expect(page.locator(".errors")).to_contain_text("1 predicted triples are not shown")


def test_limit(browser: Browser, evaluation: Evaluation, docs: Dict[str, Doc]) -> None:
    page = browser.new_page()
    page.set_content(to_page("A title", evaluation, docs, NAMES, limit=1))
    expect(page.locator(".document")).to_have_count(1)
    expect(page.locator(".errors")).to_contain_text("The 1 documents with most errors, of 2")
    page.locator(".errors > details", has_text="spurious (1)").locator("summary").click()
    page.locator("[data-error='spurious']").click()
    expect(page.locator(".document tbody tr:not([hidden])")).to_have_count(1)
    page.close()
