"""Measure the effect of document length: join several documents, and cut single sentences."""

from pathlib import Path
from typing import Dict, List, Optional

import spacy
import srsly
import typer
from spacy.language import Language
from spacy.tokens import Doc
from wasabi import msg

from spacy_docre.data.corpus_files import read_spacy_docs
from spacy_docre.data.sentences import token_sentence_numbers
from spacy_docre.data.shapes import cut, join
from spacy_docre.evaluation.evaluation import Evaluation
from spacy_docre.evaluation.gold import GoldDocument
from spacy_docre.evaluation.predict import predict_answers


def main(model: str, path: Path, size: int = 5, output: Optional[Path] = None) -> None:
    """Evaluate a pipeline with gold entities on single documents, on joined documents, and on
    single sentences.

    A join keeps the entities of each document apart, and has no relations across documents. A fact
    of one sentence is a relation whose evidence is one sentence.

    model (str): A pipeline with a doc_relation_extractor.
    path (Path): A .spacy file of annotated documents.
    size (int): The number of documents in a join.
    output (Optional[Path]): A JSON file to write.
    """
    nlp = spacy.load(model)
    docs = list(read_spacy_docs(path, nlp.vocab))
    joins = [join(docs[first : first + size]) for first in range(0, len(docs), size)]
    figures: Dict[str, float] = {}
    rows = []
    alone = evaluate(nlp, docs)
    for name, evaluation in (("alone", alone), (f"{size} as one", evaluate(nlp, joins))):
        scores = evaluation.metrics
        rows.append([name, *(f"{100 * scores[key]:.1f}" for key in ("rel_f", "rel_p", "rel_r"))])
        figures[f"{name.replace(' ', '_')}_rel_f"] = scores["rel_f"]
    msg.table(rows, header=("documents", "F1", "P", "R"), aligns=("l", "r", "r", "r"))
    figures |= find_facts_of_one_sentence(nlp, docs, alone)
    msg.table(
        [(name, f"{value:.3f}") for name, value in figures.items()],
        header=("figure", "share"),
        aligns=("l", "r"),
    )
    if output is not None:
        srsly.write_json(output, figures)


def evaluate(nlp: Language, docs: List[Doc]) -> Evaluation:
    """Evaluate a pipeline on the gold entities of documents. Their titles are their numbers."""
    titles = {str(number): doc for number, doc in enumerate(docs)}
    documents = {title: GoldDocument.from_doc(doc, title) for title, doc in titles.items()}
    answers, candidates = {}, {}
    for found, possible in predict_answers(nlp, titles, batch_size=8):
        answers.update(found)
        candidates.update(possible)
    return Evaluation(documents, answers, candidates)


def find_facts_of_one_sentence(
    nlp: Language, docs: List[Doc], alone: Evaluation
) -> Dict[str, float]:
    """Measure how many facts of one sentence are found in the whole document, and how many are
    found if this sentence is the whole document."""
    passages: List[Doc] = []
    # The gold triples of each passage, with the entity numbers of the document; and the entity
    # numbers in the passage.
    facts = []
    for title, doc in enumerate(docs):
        gold = alone.documents[str(title)]
        for number in range(max(token_sentence_numbers(doc), default=-1) + 1):
            inside = [triple for triple, told in gold.triples.items() if told == {number}]
            if inside:
                passages.append(cut(doc, number, number + 1))
                kept = [
                    index for index, sentences in enumerate(gold.sentences) if number in sentences
                ]
                facts.append((inside, {index: new for new, index in enumerate(kept)}))
    single = evaluate(nlp, passages).predicted
    found = total = in_document = 0
    for number, (inside, new) in enumerate(facts):
        for triple in inside:
            if triple.head in new and triple.tail in new:
                total += 1
                in_document += triple in alone.predicted
                moved = triple._replace(
                    document=str(number), head=new[triple.head], tail=new[triple.tail]
                )
                found += moved in single
    return {"in_sentence": found / total, "in_document": in_document / total, "facts": total}


if __name__ == "__main__":
    typer.run(main)
