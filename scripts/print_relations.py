"""Print the relations of annotated documents as a table."""

from pathlib import Path

import spacy
import typer
from spacy.tokens import DocBin
from wasabi import msg

import spacy_docre  # noqa: F401  (adds doc._.relations)


def print_relations(path: Path) -> None:
    """Print a table of the relations of each document.

    path (Path): A .spacy file of annotated documents.
    """
    for doc in DocBin().from_disk(path).get_docs(spacy.blank("en").vocab):
        msg.divider(doc.user_data.get("title", ""))
        rows = [
            (relation.head.text, relation.name, relation.tail.text, f"{relation.score:.2f}")
            for relation in doc._.relations
        ]
        msg.table(rows, header=("head", "relation", "tail", "score"), divider=True)


if __name__ == "__main__":
    typer.run(print_relations)
