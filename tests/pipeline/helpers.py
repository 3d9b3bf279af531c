"""What the tests of the component share."""

from typing import Dict, Iterable, List, Sequence, Tuple

import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from spacy_docre import Triple

EXTRACTOR = "doc_relation_extractor"
LABELS = ("based in", "born in", "works for")


def docs_of(examples: Sequence[Example]) -> List[Doc]:
    return [example.predicted for example in examples]


def triples_of(docs: Iterable[Doc]) -> List[List[Triple]]:
    """The triples of each Doc, to be compared with others: there are some."""
    found = [[relation.triple for relation in doc._.relations] for doc in docs]
    assert any(found)
    return found


def scores_of(doc: Doc) -> Dict[Tuple[int, int, str], float]:
    """The score of every relation of a Doc."""
    return {
        (relation.head.index, relation.tail.index, relation.label_): relation.score
        for relation in doc._.relations
    }


def weights_of(nlp: Language, name: str) -> Dict[str, torch.Tensor]:
    """A copy of the weights of the transformer, or of the relation extractor's own."""
    model = nlp.get_pipe(name).model
    module = model.transformer if name == "transformer" else network_of(nlp)
    return {key: weight.clone() for key, weight in module.state_dict().items()}


def network_of(nlp: Language) -> torch.nn.Module:
    return nlp.get_pipe(EXTRACTOR).model.get_ref("pair_scorer").shims[0]._model


def equal(ours: Dict[str, torch.Tensor], theirs: Dict[str, torch.Tensor]) -> bool:
    assert ours and ours.keys() == theirs.keys()
    return all(torch.equal(weight, theirs[key]) for key, weight in ours.items())
