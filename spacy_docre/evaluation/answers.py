"""Predicted triples, and the leaderboard's file of them (`result.json`)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Dict, FrozenSet, List, Optional

from pydantic import BaseModel, Field, StrictFloat, StrictInt

from ..data.json_files import parse_json_array
from ..data.validation import Label, Text, validate
from .relations import ScoredTriple

FIELDS = {
    "title": "the document's title, a string",
    "h_idx": "the place of the head entity in vertexSet, a whole number",
    "t_idx": "the place of the tail entity in vertexSet, a whole number",
    "r": "the relation's label, a string of one character or more",
    "evidence": "a list of places of sentences; it may be left out",
    "score": "the probability, a number of 0 to 1; it may be left out",
}


class AnswerRecord(BaseModel):
    title: Text
    h_idx: StrictInt
    t_idx: StrictInt
    r: Label
    evidence: List[StrictInt] = []
    score: Optional[Annotated[StrictFloat, Field(ge=0, le=1)]] = None


@dataclass(frozen=True)
class Answer:
    """What is said of a predicted triple besides.

    evidence (FrozenSet[int]): The places of its evidence sentences.
    score (Optional[float]): Its probability, where it is known.
    """

    evidence: FrozenSet[int] = frozenset()
    score: Optional[float] = None


Answers = Dict[ScoredTriple, Answer]


def above(answers: Answers, threshold: float) -> Answers:
    """Choose the probable answers.

    answers (Answers): Predicted triples, all with scores.
    threshold (float): A threshold on their scores.
    RETURNS (Answers): Those above it.
    """
    return {
        triple: answer
        for triple, answer in answers.items()
        if answer.score is not None and answer.score > threshold
    }


def read_answers(path: Path) -> Answers:
    """Read a result file. Of a triple that is there several times the first counts.

    path (Path): A JSON list of objects with the fields title, h_idx, t_idx, r and, if they are
        known, evidence and score.
    RETURNS (Answers): The predicted triples.
    RAISES (ValueError): If the file is malformed.
    """
    answers: Answers = {}
    for place, data in enumerate(parse_json_array(path)):
        record = validate(AnswerRecord, data, f"{path}, answer {place}", FIELDS)
        triple = ScoredTriple(record.title, record.h_idx, record.t_idx, record.r)
        answers.setdefault(triple, Answer(frozenset(record.evidence), record.score))
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
    # Not srsly, which rounds.
    path.write_text(json.dumps(records, indent=2), encoding="utf8")
