"""The registered scorer of the component."""

import warnings
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, FrozenSet, Iterable, Optional, Set

from spacy.training import Example

from ..annotations import has_partial_relations, has_relations
from ..data.corpus_files import spacy_files
from .answers import answers_of
from .gold import GoldDocument, NamedFact
from .metrics import ScoredTriple, ignore_known_f, score_per_label, score_triples
from .training_data import read_training_facts

Scorer = Callable[..., Dict[str, Any]]


def make_relation_scorer(train_facts: Optional[str] = None, all_mentions: bool = False) -> Scorer:
    """`spacy_docre.relation_scorer.v1`: score relations as the official DocRED scorer does.

    Each combination of document, head, tail and relation counts once. A predicted entity stands for
    the gold entity that shares a mention with it. A triple with an entity that shares none is
    wrong. Documents whose relations nobody has annotated are left out. Documents whose relations
    are partial are left out, too, with a warning.

    train_facts (Optional[str]): A `.spacy` file of training documents, or a folder with such
        files. Ign F1 ignores the relations of these documents, between any names of their mentions.
        Without `train_facts` there is nothing to ignore. If the file is missing, for example on
        another machine than that of the training, a warning says so and `rel_ign_f` is None.
    all_mentions (bool): Whether a predicted entity must have all mentions of the gold entity and no
        other mention. If not, one shared mention is enough.
    RETURNS (Scorer): The scorer. It returns `rel_p`, `rel_r`, `rel_f`, `rel_ign_f` and
        `rel_per_type`; None for each if no document has annotated relations.
    """
    return partial(_score_relations, train_facts=train_facts, all_mentions=all_mentions)


def _score_relations(
    examples: Iterable[Example],
    *,
    train_facts: Optional[str],
    all_mentions: bool,
    **settings: Any,
) -> Dict[str, Any]:
    gold: Set[ScoredTriple] = set()
    predicted: Set[ScoredTriple] = set()
    known: Set[ScoredTriple] = set()
    facts = _facts_or_none(train_facts)
    any_annotated = False
    partial_documents = 0
    for number, example in enumerate(examples):
        if not has_relations(example.reference):
            continue
        if has_partial_relations(example.reference):
            partial_documents += 1
            continue
        any_annotated = True
        document = GoldDocument.from_doc(example.reference, str(number))
        gold.update(document.triples)
        known.update(document.known(facts or frozenset()))
        predicted.update(answers_of(example, document.title, all_mentions=all_mentions))
    if partial_documents:
        warnings.warn(
            f"{partial_documents} documents are not scored: their relations are partial, and other "
            "relations may be right. Evaluate on documents with complete relations.",
            stacklevel=2,
        )
    if not any_annotated:
        # None, as in spaCy's scorers: 0 would say that the model finds nothing.
        return {name: None for name in ("rel_p", "rel_r", "rel_f", "rel_ign_f", "rel_per_type")}
    score = score_triples(gold, predicted)
    return {
        "rel_p": score.precision,
        "rel_r": score.recall,
        "rel_f": score.fscore,
        "rel_ign_f": None if facts is None else ignore_known_f(gold, predicted, known),
        "rel_per_type": {
            label: per_label.to_dict()
            for label, per_label in score_per_label(gold, predicted).items()
        },
    }


def _facts_or_none(path: Optional[str]) -> Optional[FrozenSet[NamedFact]]:
    """The facts to ignore; None if their file is missing."""
    if path is None:
        return frozenset()
    if not Path(path).exists():
        warnings.warn(
            f"Ign F1 is not computed: the file of training facts, {path}, does not exist. Set "
            "'train_facts' of the scorer to the .spacy file of the training documents, or to "
            "null.",
            stacklevel=2,
        )
        return None
    files = tuple(spacy_files(path))
    return read_training_facts(files, tuple(file.stat().st_mtime_ns for file in files))
