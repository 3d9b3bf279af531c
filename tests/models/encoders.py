"""Encoders without our code, and what of them and of pipelines can be compared."""

from typing import Dict, List, Sequence

import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy_transformers.data_classes import FullTransformerBatch
from transformers import AutoModel

FAMILIES = ["bert", "roberta", "xlm-roberta", "electra", "mpnet", "deberta-v2"]
WITH_SDPA = ["bert", "roberta", "xlm-roberta"]
LAYERS = 3
STOCK = "spacy-transformers.TransformerModel.v3"


def plain_encoder(folder: str) -> torch.nn.Module:
    """The same transformer without any of our code, in eager attention."""
    return AutoModel.from_pretrained(folder, attn_implementation="eager").eval()


def run_plain(encoder: torch.nn.Module, batch: FullTransformerBatch):
    wordpieces = batch.wordpieces
    inputs = {
        "input_ids": torch.as_tensor(wordpieces.input_ids),
        "attention_mask": torch.as_tensor(wordpieces.attention_mask),
    }
    if wordpieces.token_type_ids is not None:
        inputs["token_type_ids"] = torch.as_tensor(wordpieces.token_type_ids)
    return encoder(**inputs, output_attentions=True, return_dict=True)


def docs_of(examples: Sequence[Example]) -> List[Doc]:
    return [example.predicted for example in examples]


def relations_of(docs: Sequence[Doc]) -> List[list]:
    """The relations in a form that can be compared; scores to four digits."""
    return [
        sorted(
            (relation.head.index, relation.tail.index, relation.label_, round(relation.score, 4))
            for relation in doc._.relations
        )
        for doc in docs
    ]


def gradients(module: torch.nn.Module) -> Dict[str, torch.Tensor]:
    """The gradients of a module's parameters; zeros where there is none."""
    return {
        name: torch.zeros_like(parameter)
        if parameter.grad is None
        else parameter.grad.detach().clone()
        for name, parameter in module.named_parameters()
    }


def encoder_gradients(nlp: Language) -> Dict[str, torch.Tensor]:
    return gradients(nlp.get_pipe("transformer").model.transformer)


def assert_same_gradients(ours: Dict[str, torch.Tensor], theirs: Dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert any(gradient.abs().max() > 1e-4 for gradient in theirs.values())
    for name, expected in theirs.items():
        torch.testing.assert_close(
            ours[name],
            expected,
            rtol=2e-3,
            atol=2e-6,
            msg=lambda text, name=name: f"{name}: {text}",
        )


def network_of(nlp: Language) -> torch.nn.Module:
    return nlp.get_pipe("doc_relation_extractor").model.get_ref("pair_scorer").shims[0]._model
