"""The rules of the official DocRED evaluation, written down without any code of the package.

Documents are as in DocRED's files: a title, the vertexSet (for each entity, the names of its
mentions), and labels (h, t, r) that point into it.
"""

from dataclasses import dataclass, field
from typing import Dict, List, Sequence, Set, Tuple

Label = Tuple[int, int, str]


@dataclass
class Document:
    title: str
    vertex_set: List[List[str]]
    labels: List[Label] = field(default_factory=list)


def training_facts(documents: Sequence[Document]) -> Set[Tuple[str, str, str]]:
    """Each relation of the training data, between any names of its two entities."""
    facts = set()
    for document in documents:
        for head, tail, relation in document.labels:
            for head_name in document.vertex_set[head]:
                for tail_name in document.vertex_set[tail]:
                    facts.add((head_name, tail_name, relation))
    return facts


def evaluate(
    gold: Sequence[Document],
    answers: Dict[str, List[Label]],
    facts: Set[Tuple[str, str, str]] = frozenset(),
) -> Dict[str, float]:
    """Precision, recall, F1 and Ign F1.

    Answers point into the vertexSet of the gold document. An answer that names an entity
    the document does not have is wrong."""
    by_title = {document.title: document for document in gold}
    right = {(doc.title, *label) for doc in gold for label in doc.labels}
    submitted: List[Tuple[str, int, int, str]] = []
    for title, labels in answers.items():
        for label in labels:
            if (title, *label) not in submitted:
                submitted.append((title, *label))
    correct = correct_in_train = 0
    for title, head, tail, relation in submitted:
        if (title, head, tail, relation) not in right:
            continue
        correct += 1
        vertex_set = by_title[title].vertex_set
        in_train = False
        for head_name in vertex_set[head]:
            for tail_name in vertex_set[tail]:
                if (head_name, tail_name, relation) in facts:
                    in_train = True
        if in_train:
            correct_in_train += 1
    precision = correct / len(submitted) if submitted else 0.0
    recall = correct / len(right) if right else 0.0
    ign_precision = (correct - correct_in_train) / (len(submitted) - correct_in_train + 1e-5)
    return {
        "rel_p": precision,
        "rel_r": recall,
        "rel_f": harmonic_mean(precision, recall),
        "rel_ign_f": harmonic_mean(ign_precision, recall),
    }


def harmonic_mean(precision: float, recall: float) -> float:
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)
