"""Read what a component must know of its training data before it is trained."""

from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from spacy.tokens import Doc
from spacy.training import Example

from ..annotations import has_partial_relations, has_relations
from ..distillation.objective import Distillation
from ..entity_sources import EntityDoc
from ..losses import EvidenceLoss
from ..stored import get_triples
from .partial_labels import PartialLabels

# The number of documents to build a model with.
SAMPLE = 10


@dataclass
class Survey:
    """What a component must know of its training data.

    sample (List[EntityDoc]): A few documents to build the model with. Their entities are not
        needed, and are left out.
    names (Dict[str, str]): The readable name of each relation, empty if no name is known.
    taught (Dict[Tuple[str, ...], Doc]): The relations of each teacher, in order, and a document
        that this teacher teaches.
    """

    sample: List[EntityDoc] = field(default_factory=list)
    names: Dict[str, str] = field(default_factory=dict)
    taught: Dict[Tuple[str, ...], Doc] = field(default_factory=dict)

    def labels(self, known: Sequence[str], given: Optional[Iterable[str]], owner: str) -> List[str]:
        """Choose the relations to learn.

        known (Sequence[str]): The relations that the component knows already.
        given (Optional[Iterable[str]]): The relations that a setting names. The default is the
            relations of the teacher, or, without a teacher, the relations of the examples in
            alphabetical order.
        owner (str): The name of the component, for the error message.
        RETURNS (List[str]): The relations, in order.
        RAISES (ValueError): If there are no relations, or if the examples hold other relations.
        """
        if isinstance(given, str):
            raise ValueError(f"labels = {given!r} should be a list of relations.")
        found = sorted(self.names)
        if given is not None:
            labels = [*given]
        elif known:
            labels = [*known, *found]
        else:
            labels = [*next(iter(self.taught), found)]
        if not labels and not known:
            raise ValueError(
                "The training data holds no relations: doc._.relations is empty in every "
                "reference document. Make the data with 'python -m spacy docre convert', or "
                "set doc._.entities and doc._.relations, and keep them: "
                "DocBin(store_user_data=True)."
            )
        unknown = self.names.keys() - labels
        if unknown:
            remedy = (
                "The labels are the teacher's: leave other relations out of the data, e.g. with "
                "'python -m spacy docre distant ... --names FILE --only-named'."
                if self.taught
                else "Add them to the labels in [initialize.components], or make the labels again "
                "with 'spacy init labels'."
            )
            raise ValueError(
                f"The training data holds relations that are not among the labels of "
                f"'{owner}': {', '.join(sorted(unknown))}. {remedy}"
            )
        return labels


def read_survey(
    examples: Iterable[Example],
    distillation: Optional[Distillation],
    evidence: Optional[EvidenceLoss],
    partial: PartialLabels,
) -> Survey:
    """Read the training data once.

    examples (Iterable[Example]): The examples.
    distillation (Optional[Distillation]): How to learn from a teacher.
    evidence (Optional[EvidenceLoss]): The loss on gold evidence.
    partial (PartialLabels): How to learn from documents whose relations are partial.
    RETURNS (Survey): The survey.
    RAISES (ValueError): If `evidence` is set, and no relation has evidence; or if `partial` needs
        a teacher, and a document has none.
    """
    found = Survey()
    has_evidence = False
    for example in examples:
        reference = example.reference
        for triple in get_triples(reference):
            found.names[triple.label] = triple.name or found.names.get(triple.label, "")
            has_evidence = has_evidence or bool(triple.evidence)
        teacher = None if distillation is None else distillation.teacher_of(reference)
        if teacher is not None:
            found.taught.setdefault(teacher.labels, reference)
        elif has_partial_relations(reference):
            partial.require_teacher(reference)
        if len(found.sample) < SAMPLE:
            found.sample.append(EntityDoc(example.predicted, []))
    if evidence is not None and not has_evidence:
        raise ValueError(
            "'evidence' is set, but no relation of the training data has evidence sentences. "
            "Convert data that has them with 'python -m spacy docre convert', or set "
            "evidence = null."
        )
    return found


def learns_from(example: Example, distillation: Optional[Distillation]) -> bool:
    """Tell whether the component can learn relations from an example.

    example (Example): The example.
    distillation (Optional[Distillation]): How to learn from a teacher.
    RETURNS (bool): Whether its reference has relations, or a teacher teaches it.
    """
    return has_relations(example.reference) or (
        distillation is not None and distillation.teacher_of(example.reference) is not None
    )
