"""What every system has to do: learn ten documents by heart, and stay what it is."""

from pathlib import Path
from typing import Any, List, Sequence, Set, Tuple

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam

Facts = List[Set[Tuple[int, int, str]]]


def facts_of(docs: Sequence[Doc]) -> Facts:
    triples = [[relation.triple for relation in doc._.relations] for doc in docs]
    return [{(triple.head, triple.tail, triple.label) for triple in found} for found in triples]


def annotated(nlp: Language, examples: Sequence[Example]) -> Facts:
    return facts_of(list(nlp.pipe([example.predicted.copy() for example in examples])))


def logits_of(nlp: Language, docs: Sequence[Doc]) -> List[torch.Tensor]:
    docs = list(nlp.get_pipe("transformer").pipe([doc.copy() for doc in docs]))
    scores = nlp.get_pipe("doc_relation_extractor").predict(docs)
    return [torch.as_tensor(document.logits) for document in scores]


def overfit(
    make_pipeline: Any,
    examples: List[Example],
    train_step: Any,
    *,
    steps: int = 60,
    **settings: Any,
) -> Language:
    """Train a pipeline, five documents a step, until it has learnt what it reads."""
    nlp = make_pipeline(examples=examples, learn_rate_factor=10.0, **settings)
    optimizer = Adam(0.0005)
    for _ in range(steps):
        for batch in (examples[:5], examples[5:]):
            train_step(nlp, batch, optimizer)
    return nlp


def assert_learnt(nlp: Language, examples: List[Example], folder: Path) -> None:
    """It annotates what it has read, alone as in a batch, and after it is loaded again."""
    gold = facts_of([example.reference for example in examples])
    assert annotated(nlp, examples) == gold and all(gold)
    docs = [example.predicted for example in examples]
    together = logits_of(nlp, docs)
    nlp.to_disk(folder)
    for document, expected in zip(docs, together, strict=True):
        torch.testing.assert_close(logits_of(nlp, [document])[0], expected, atol=1e-4, rtol=1e-4)
    for found, expected in zip(logits_of(spacy.load(folder), docs), together, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
