"""The shipped pipeline's triples on the sample texts, in float32, and the file that pins them.

A change of the code should leave them as they are. After a change of the weights they are pinned
again with: python -m tests.pinned
"""

import json
from pathlib import Path
from typing import Any, Dict, List

import spacy
from spacy.language import Language

ASSETS = Path(__file__).parent.parent / "assets"
PIPELINE = ASSETS / "en_docre_wiki_sm"
PINNED = Path(__file__).with_suffix(".json")
# Below the pipeline's own threshold, so that many scores are compared.
THRESHOLD = 0.1

Triple = List[Any]


def load_in_float32(path: Path = PIPELINE) -> Language:
    """A pipeline without bfloat16, which differs from one processor to another."""
    nlp = spacy.load(
        path,
        config={
            f"components.{name}.model.precision": "float32"
            for name in ("transformer", "doc_relation_extractor")
        },
    )
    nlp.get_pipe("doc_relation_extractor").cfg["threshold"] = THRESHOLD
    return nlp


def find_triples(nlp: Language) -> Dict[str, List[Triple]]:
    """The triples of each sample text: index and text of the head, label and name of the relation,
    index and text of the tail, evidence, and last the score. Their order does not go by scores."""
    found = {}
    for file in sorted((ASSETS / "samples").iterdir()):
        doc = nlp(file.read_text(encoding="utf8"))
        found[file.stem] = sorted(
            [
                relation.head.index,
                relation.head.text,
                relation.label_,
                relation.name,
                relation.tail.index,
                relation.tail.text,
                [[span.start, span.end] for span in relation.evidence],
                round(relation.score, 8),
            ]
            for relation in doc._.relations
        )
    return found


def pin(found: Dict[str, List[Triple]]) -> str:
    """The file: JSON with a triple a line."""
    texts = (
        f'"{name}": [\n' + ",\n".join(json.dumps(triple) for triple in triples) + "\n]"
        for name, triples in found.items()
    )
    return "{\n" + ",\n".join(texts) + "\n}\n"


if __name__ == "__main__":
    PINNED.write_text(pin(find_triples(load_in_float32())), encoding="utf8")
