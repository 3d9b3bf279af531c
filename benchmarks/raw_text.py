"""Measure which step from raw text to relations loses how many triples."""

from pathlib import Path
from typing import Any, Dict, List, Optional

import spacy
import srsly
import typer
from common import with_entities, with_mentions
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example
from wasabi import msg

from spacy_docre.data.corpus_files import read_spacy_docs
from spacy_docre.evaluation.clusters import make_entity_cluster_scorer
from spacy_docre.evaluation.scorer import make_relation_scorer

FIGURES = {
    "sents_f": "sentences",
    "ents_f": "NER",
    "cluster_lea_f": "entities (LEA)",
    "rel_f": "triples",
    "rel_p": "P",
    "rel_r": "R",
    "rel_f_all_mentions": "triples, all mentions",
}


def main(model: str, path: Path, output: Optional[Path] = None) -> None:
    """Evaluate a pipeline on the gold entities, on the gold mentions, and on bare text.

    A triple is correct if its head shares a mention with the gold head, and its tail with the gold
    tail. In the last column, head and tail must have exactly the mentions of the gold entities.

    model (str): A pipeline with ner, entity_clusterer and doc_relation_extractor.
    path (Path): A .spacy file of annotated documents.
    output (Optional[Path]): A JSON file to write.
    """
    nlp = spacy.load(model)
    references = list(read_spacy_docs(path, nlp.vocab))
    with nlp.select_pipes(disable=["senter", "ner"]):
        rows = {
            "gold entities": _score(nlp, references, [with_entities(r) for r in references]),
            "gold mentions": _score(nlp, references, [with_mentions(r) for r in references]),
        }
    rows["text"] = _score(nlp, references, [nlp.make_doc(r.text) for r in references])
    msg.table(
        [
            (name, *(f"{100 * scores[figure]:.1f}" for figure in FIGURES))
            for name, scores in rows.items()
        ],
        header=("F1, given the", *FIGURES.values()),
        aligns=("l", *("r" for _ in FIGURES)),
    )
    if output is not None:
        figures = {
            f"{name.replace(' ', '_')}_{figure}": scores[figure]
            for name, scores in rows.items()
            for figure in FIGURES
        }
        srsly.write_json(output, figures)


def _score(nlp: Language, references: List[Doc], docs: List[Doc]) -> Dict[str, Any]:
    examples = [
        Example(doc, ref) for doc, ref in zip(nlp.pipe(docs, batch_size=8), references, strict=True)
    ]
    strict = make_relation_scorer(all_mentions=True)(examples)
    return {
        **Scorer.score_spans(examples, "sents", has_annotation=lambda doc: True),
        **Scorer.score_spans(examples, "ents"),
        **make_entity_cluster_scorer()(examples),
        **make_relation_scorer()(examples),
        **{f"{name}_all_mentions": strict[name] for name in ("rel_p", "rel_r", "rel_f")},
    }


if __name__ == "__main__":
    typer.run(main)
