"""The registered scorer of the component."""

import warnings
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Callable, Dict, FrozenSet, Iterable, List, Optional, Set, Tuple

from spacy.training import Example
from spacy.training.corpus import FILE_TYPE, walk_corpus
from spacy.vocab import Vocab

from ..alignment import GoldAlignment
from ..annotations import has_relations
from ..data.corpus_files import read_docs
from .gold import Fact, facts_of, read_gold
from .relations import ScoredTriple, ignore_known_f, score_per_label, score_triples

Scorer = Callable[..., Dict[str, Any]]


def make_relation_scorer(train_facts: Optional[str] = None, all_mentions: bool = False) -> Scorer:
    """`spacy_docre.relation_scorer.v1`: score relations as the official DocRED scorer does.

    Each document, head, tail and relation counts once. Predicted entities are those gold
    entities that share a mention with them; a triple with an entity that is none of them
    is wrong. Documents whose relations nobody has annotated are left out.

    train_facts (Optional[str]): A `.spacy` file of training documents, or a folder with
        such files. Their relations, between any names of their mentions, are ignored for
        Ign F1. Without it there is nothing to ignore. Where the file is missing, as on
        another machine than the one a pipeline was trained on, a warning says so and
        `rel_ign_f` is None.
    all_mentions (bool): Whether a predicted entity has to have all mentions of the gold entity
        and no other, as against one of them.
    RETURNS (Scorer): The scorer. It gives `rel_p`, `rel_r`, `rel_f`, `rel_ign_f` and
        `rel_per_type`; None where no document has annotated relations.
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
    for place, example in enumerate(examples):
        if not has_relations(example.reference):
            continue
        any_annotated = True
        document = read_gold(example.reference, str(place))
        gold.update(document.triples)
        known.update(document.known(facts or frozenset()))
        ours = places_in_gold(example, all_mentions)
        for relation in example.predicted._.relations:
            triple = relation.triple
            predicted.add(
                ScoredTriple(document.title, ours[triple.head], ours[triple.tail], triple.label)
            )
    if not any_annotated:
        # As spaCy's scorers do, rather than a model that finds nothing.
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


def places_in_gold(example: Example, all_mentions: bool = False) -> List[int]:
    """Find the predicted entities among those of gold.

    example (Example): The predicted document and the gold one.
    all_mentions (bool): Whether an entity has to have all mentions of the gold entity and no
        other, as against one of them.
    RETURNS (List[int]): The place in gold of each predicted entity; a negative number of its
        own for one that is not there.
    """
    alignment = GoldAlignment(example, [entity.mentions for entity in example.predicted._.entities])
    return [
        index
        if index is not None and (not all_mentions or alignment.is_exact(index))
        else -1 - place
        for place, index in enumerate(map(alignment.to_gold.get, range(len(alignment.predicted))))
    ]


def _facts_or_none(path: Optional[str]) -> Optional[FrozenSet[Fact]]:
    """The facts to ignore, or None where they should be known and are not."""
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
    files = tuple(walk_corpus(path, FILE_TYPE))
    return read_facts(files, tuple(file.stat().st_mtime_ns for file in files))


@lru_cache(maxsize=4)
def read_facts(files: Tuple[Path, ...], modified: Tuple[int, ...]) -> FrozenSet[Fact]:
    """The facts of a training set: relations between names. Each state of it is read once.

    files (Tuple[Path, ...]): `.spacy` files of documents with gold relations.
    modified (Tuple[int, ...]): When each file was modified, in nanoseconds.
    RETURNS (FrozenSet[Fact]): Head name, tail name and relation of each fact.
    RAISES (ValueError): If the files hold no relations.
    """
    facts = frozenset(
        fact for file in files for doc in read_docs(file, Vocab()) for fact in facts_of(doc)
    )
    if not facts:
        raise ValueError(
            f"The training facts for Ign F1, {_listed(files)}, hold no relations. Make them with "
            "'python -m spacy docre convert', or keep what doc._.relations holds: "
            "DocBin(store_user_data=True)."
        )
    return facts


def _listed(files: Tuple[Path, ...]) -> str:
    return ", ".join(map(str, files)) or "an empty folder"
