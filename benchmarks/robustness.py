"""Measure the effect of white space and case: compare a pipeline's answers with its answers on the
clean text."""

import re
from pathlib import Path
from textwrap import TextWrapper
from typing import Callable, Dict, List, Set, Tuple

import spacy
import typer
from spacy.scorer import PRFScore
from spacy.tokens import Doc
from wasabi import msg

from spacy_docre.data.corpus_files import read_spacy_docs

Answers = Tuple[Set[Tuple[object, ...]], Set[Tuple[object, ...]]]

_WRAPPER = TextWrapper(width=72, break_long_words=False, break_on_hyphens=False)


def wrapped(text: str, newline: str) -> str:
    """Break lines as an editor would."""
    return newline.join(_WRAPPER.wrap(text))


VARIANTS: Dict[str, Callable[[str], str]] = {
    "clean": str,
    "double spaces": lambda text: text.replace(" ", "  "),
    "wrapped lines, \\n": lambda text: wrapped(text, "\n"),
    "wrapped lines, \\r\\n": lambda text: wrapped(text, "\r\n"),
    "wrapped and indented": lambda text: wrapped(text, "\n    "),
    "tabs": lambda text: text.replace(" ", "\t"),
    "no-break spaces": lambda text: text.replace(" ", "\xa0"),
    "lower case": str.lower,
    "all capitals": str.upper,
}


def answers_of(doc: Doc) -> Answers:
    """Collect the mentions of a document, with their place counted without white space, and its
    triples of names. Case is ignored."""
    mentions: Set[Tuple[object, ...]] = {
        (len(re.sub(r"\s", "", doc.text[: span.start_char])), _name(span.text), span.label_)
        for span in doc.ents
    }
    triples: Set[Tuple[object, ...]] = {
        (_name(relation.head.text), relation.label_, _name(relation.tail.text))
        for relation in doc._.relations
    }
    return mentions, triples


def _name(text: str) -> str:
    return " ".join(text.split()).casefold()


def compare(answers: List[Answers], clean: List[Answers]) -> List[float]:
    """Compute F1 of mentions and of triples."""
    scores = [PRFScore(), PRFScore()]
    for ours, theirs in zip(answers, clean, strict=True):
        for score, found, expected in zip(scores, ours, theirs, strict=True):
            score.score_set(found, expected)
    return [score.fscore for score in scores]


def main(model: str, path: Path) -> None:
    """Compare a pipeline's answers on variants of texts.

    model (str): A pipeline that reads bare text.
    path (Path): A folder of .txt files, or a .spacy file whose texts are used.
    """
    nlp = spacy.load(model)
    texts = (
        [file.read_text(encoding="utf8") for file in sorted(path.glob("*.txt"))]
        if path.is_dir()
        else [doc.text for doc in read_spacy_docs(path, nlp.vocab)]
    )
    texts = [" ".join(text.split()) for text in texts]
    answers = {
        name: [answers_of(doc) for doc in nlp.pipe(map(change, texts), batch_size=8)]
        for name, change in VARIANTS.items()
    }
    msg.table(
        [
            (name, *(f"{100 * score:.1f}" for score in compare(found, answers["clean"])))
            for name, found in answers.items()
        ],
        header=(f"F1 against clean text, {len(texts)} texts", "mentions", "triples"),
        aligns=("l", "r", "r"),
    )


if __name__ == "__main__":
    typer.run(main)
