"""The rules of the official DocRED evaluation, written down without any code of the package.

Documents are as in DocRED's files: a title, the vertexSet (for each entity, the names of its
mentions), and labels (h, t, r) that point into it.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Sequence, Set, Tuple

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


def facts_of_records(records: Sequence[Mapping[str, Any]]) -> Set[Tuple[str, str, str]]:
    """The facts of a training file, as parsed from JSON."""
    return training_facts(
        [
            Document(
                record["title"],
                [[mention["name"] for mention in mentions] for mentions in record["vertexSet"]],
                [(label["h"], label["t"], label["r"]) for label in record["labels"]],
            )
            for record in records
        ]
    )


def evaluate_file(
    gold: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    train: Set[Tuple[str, str, str]],
    distant: Set[Tuple[str, str, str]],
) -> Dict[str, float]:
    """The scores of a result file, as parsed from JSON.

    The first of equal answers counts. An answer for an unknown title counts as wrong, and its
    evidence does not count at all."""
    vertex_sets = {record["title"]: record["vertexSet"] for record in gold}
    right = {
        (record["title"], label["h"], label["t"], label["r"]): set(label["evidence"])
        for record in gold
        for label in record["labels"]
    }
    submitted: Dict[Tuple[str, int, int, str], Mapping[str, Any]] = {}
    for result in results:
        key = (result["title"], result["h_idx"], result["t_idx"], result["r"])
        if key not in submitted:
            submitted[key] = result
    correct = correct_evidence = predicted_evidence = in_train = in_distant = 0
    for key, result in submitted.items():
        title, head, tail, relation = key
        if title not in vertex_sets:
            continue
        evidence = set(result.get("evidence", []))
        predicted_evidence += len(evidence)
        if key not in right:
            continue
        correct += 1
        correct_evidence += len(evidence & right[key])
        vertex_set = vertex_sets[title]
        stated = [
            (one["name"], other["name"], relation)
            for one in vertex_set[head]
            for other in vertex_set[tail]
        ]
        in_train += any(fact in train for fact in stated)
        in_distant += any(fact in distant for fact in stated)
    precision = 1.0 * correct / len(submitted) if submitted else 0.0
    recall = 1.0 * correct / len(right) if right else 0.0
    all_evidence = sum(map(len, right.values()))
    evidence_precision = 1.0 * correct_evidence / predicted_evidence if predicted_evidence else 0.0
    evidence_recall = 1.0 * correct_evidence / all_evidence if all_evidence else 0.0
    scores = {
        "rel_p": precision,
        "rel_r": recall,
        "rel_f": harmonic_mean(precision, recall),
        "evidence_p": evidence_precision,
        "evidence_r": evidence_recall,
        "evidence_f": harmonic_mean(evidence_precision, evidence_recall),
    }
    for name, known in (("rel_ign_f", in_train), ("rel_ign_distant_f", in_distant)):
        ign_precision = 1.0 * (correct - known) / (len(submitted) - known + 1e-5)
        scores[name] = harmonic_mean(ign_precision, recall)
    return scores


def harmonic_mean(precision: float, recall: float) -> float:
    if precision + recall == 0:
        return 0.0
    return 2.0 * precision * recall / (precision + recall)
