"""Predicted triples, with the entities and sentences of gold: of a predicted Doc, of a result file
as for the leaderboard (`result.json`), or of the output of `docre annotate`."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Dict, FrozenSet, Iterable, List, Mapping, Optional, Set

from pydantic import BaseModel, Field, StrictFloat, StrictInt
from spacy.tokens import Doc
from spacy.training import Example

from ..alignment import GoldAlignment
from ..annotations import Triple, document_title
from ..data.annotated_files import read_annotated
from ..data.doubts import first_few
from ..data.json_files import parse_json_items
from ..data.sentences import sentences_by_number
from ..data.validation import Label, Text, validate
from ..stored import get_triples
from .gold import evidence_numbers
from .metrics import ScoredTriple

_FIELDS = {
    "title": "the document's title, a string",
    "h_idx": "the index of the head entity in vertexSet, a whole number",
    "t_idx": "the index of the tail entity in vertexSet, a whole number",
    "r": "the relation's label, a string of one character or more",
    "evidence": "a list of indices of sentences; it may be left out",
    "score": "the probability, a number from 0 to 1; it may be left out",
}


class AnswerRecord(BaseModel):
    """An answer as it is written in a result file."""

    title: Text
    h_idx: StrictInt
    t_idx: StrictInt
    r: Label
    evidence: List[StrictInt] = []
    score: Optional[Annotated[StrictFloat, Field(ge=0, le=1)]] = None


@dataclass(frozen=True)
class Answer:
    """Evidence and score of a predicted triple.

    evidence (FrozenSet[int]): The numbers of its evidence sentences in gold.
    score (Optional[float]): Its probability; None if it is unknown.
    """

    evidence: FrozenSet[int] = frozenset()
    score: Optional[float] = None


Answers = Dict[ScoredTriple, Answer]


def answers_of(example: Example, title: str, *, all_mentions: bool = False) -> Answers:
    """Return the relations of a predicted document as answers.

    example (Example): The predicted document and the gold document.
    title (str): The title of the document, unique among the documents.
    all_mentions (bool): As in `to_answers`.
    RETURNS (Answers): The relations.
    RAISES (ValueError): If the texts differ in more than white space and case.
    """
    doc = example.predicted
    alignment = GoldAlignment(example, [entity.mentions for entity in doc._.entities])
    triples = get_triples(doc)
    return to_answers(alignment, title, triples, all_mentions=all_mentions)


def to_answers(
    alignment: GoldAlignment,
    title: str,
    triples: Iterable[Triple],
    *,
    all_mentions: bool = False,
) -> Answers:
    """Translate triples between predicted entities to gold's entities and sentences.

    alignment (GoldAlignment): The predicted and the gold document with their entities.
    title (str): The title of the document, unique among the documents.
    triples (Iterable[Triple]): The triples between predicted entities.
    all_mentions (bool): Whether a predicted entity must have all mentions of the gold entity and no
        other mention. If not, one shared mention is enough.
    RETURNS (Answers): The triples. Each entity that is not in gold has its own negative index.
    RAISES (ValueError): If the texts differ in more than white space and case.
    """
    numbers = _gold_sentence_numbers(alignment)

    def in_gold(index: int) -> int:
        gold = alignment.to_gold.get(index)
        if gold is None or (all_mentions and not alignment.is_exact(gold)):
            return -1 - index
        return gold

    return {
        ScoredTriple(title, in_gold(triple.head), in_gold(triple.tail), triple.label): Answer(
            evidence_numbers(triple.evidence, numbers), triple.score
        )
        for triple in triples
    }


def _gold_sentence_numbers(alignment: GoldAlignment) -> List[Optional[int]]:
    """The number of each predicted token's gold sentence; None for white space that gold does not
    have. A token in two sentences counts for the first."""
    example = alignment.example
    numbers: List[Optional[int]] = [None] * len(example.predicted)
    sentences = zip(sentences_by_number(example.reference), alignment.gold_sentences, strict=True)
    for number, spans in reversed(list(sentences)):
        for span in spans:
            numbers[span.start : span.end] = [number] * len(span)
    return numbers


def above(answers: Answers, threshold: float) -> Answers:
    """Choose the answers above a threshold.

    answers (Answers): Predicted triples, all with scores.
    threshold (float): A threshold on their scores.
    RETURNS (Answers): The answers above the threshold.
    """
    return {
        triple: answer
        for triple, answer in answers.items()
        if answer.score is not None and answer.score > threshold
    }


def read_answers(path: Path) -> Answers:
    """Read a result file. If a triple occurs several times, the first one counts.

    path (Path): A JSON list of objects with the fields title, h_idx, t_idx, r and, if they are
        known, evidence and score.
    RETURNS (Answers): The predicted triples.
    RAISES (ValueError): If the file is malformed.
    """
    answers: Answers = {}
    for index, data in enumerate(parse_json_items(path)):
        record = validate(AnswerRecord, data, f"{path}, answer {index}", _FIELDS)
        triple = ScoredTriple(record.title, record.h_idx, record.t_idx, record.r)
        answers.setdefault(triple, Answer(frozenset(record.evidence), record.score))
    return answers


def read_annotated_answers(path: Path, gold: Mapping[str, Doc], *, lang: str = "en") -> Answers:
    """Read the output of `docre annotate`. Gold documents are found by title or id.

    path (Path): The output as JSONL or Parquet, or a folder of parts.
    gold (Mapping[str, Doc]): The gold documents, by title; at least one.
    lang (str): The language of the texts.
    RETURNS (Answers): The predicted triples. In a document that gold does not have, no entity is
        in gold.
    RAISES (ValueError): If a file is malformed, if none of the documents is in gold, if two
        documents are the same, or if a document has another text than gold.
    """
    answers: Answers = {}
    found: Set[str] = set()
    vocab = next(iter(gold.values())).vocab
    for number, doc in enumerate(read_annotated(path, vocab, lang=lang), start=1):
        names = [str(doc.user_data[key]) for key in ("title", "id") if key in doc.user_data]
        title = next((name for name in names if name in gold), document_title(doc, number))
        if title in found:
            raise ValueError(f"{path} has two documents with the title or id {title!r}: keep one.")
        found.add(title)
        if title in gold:
            answers.update(answers_of(Example(doc, gold[title]), title))
        else:
            triples = get_triples(doc)
            answers.update(
                (
                    ScoredTriple(title, -1 - item.head, -1 - item.tail, item.label),
                    Answer(score=item.score),
                )
                for item in triples
            )
    if not found & gold.keys():
        raise ValueError(
            f"None of the {len(found)} documents of {path} is in GOLD: they are found by their "
            "title or id. Annotate the documents of GOLD, or evaluate the pipeline itself."
        )
    if missing := [title for title in gold if title not in found]:
        warnings.warn(
            f"{len(missing)} documents of GOLD are not in {path}; their triples count as missed: "
            f"{first_few(missing)}",
            stacklevel=2,
        )
    return answers


def write_answers(path: Path, answers: Answers) -> None:
    """Write a result file.

    path (Path): The file.
    answers (Answers): The predicted triples.
    """
    records = [
        {
            "title": triple.document,
            "h_idx": triple.head,
            "t_idx": triple.tail,
            "r": triple.label,
            "evidence": sorted(answer.evidence),
            **({} if answer.score is None else {"score": answer.score}),
        }
        for triple, answer in answers.items()
    ]
    # Not srsly: it rounds.
    path.write_text(json.dumps(records, indent=2), encoding="utf8")
