"""The parts of the network as slots of a config."""

from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import spacy
import torch
from spacy.language import Language
from spacy.training import Example
from spacy.util import registry
from thinc.api import Adam
from torch import nn

from spacy_docre.models.kd_docre import (
    GroupedBilinear,
    LinearClassifier,
    LocalizedContextPooling,
    LogSumExpPooling,
)

SLOTS = ["entity_pooling", "context_pooling", "pair_features", "classifier"]
# What a config may say of the slots, and what the network then has.
CHOICES: Dict[str, Dict[str, Any]] = {
    "defaults": {},
    "no pair encoder": {"pair_encoder": None},
    "no context": {"context_pooling": None},
    "printed q": {
        "context_pooling": {
            "@layers": "spacy_docre.LocalizedContextPooling.v1",
            "normalised": False,
        }
    },
    "no prior": {"classifier": {"@layers": "spacy_docre.LinearClassifier.v1", "prior": 0.5}},
    "printed": {"pair_encoder": {"@layers": "spacy_docre.AxialAttention.v1", "form": "printed"}},
    "padded": {
        "pair_encoder": {
            "@layers": "spacy_docre.PaddedAxialAttention.v1",
            "depth": 1,
            "heads": 2,
            "size": 9,
        }
    },
    "u-net": {"pair_encoder": {"@layers": "spacy_docre.UNetPairEncoder.v1", "channels": 2}},
}


def network_of(nlp: Language) -> Any:
    return nlp.get_pipe("doc_relation_extractor").model.get_ref("pair_scorer").shims[0]._model


def scores_of(nlp: Language, examples: List[Example]) -> List[torch.Tensor]:
    docs = nlp.get_pipe("transformer").pipe([example.predicted.copy() for example in examples])
    predictions = nlp.get_pipe("doc_relation_extractor").predict(list(docs))
    return [torch.as_tensor(prediction.logits) for prediction in predictions]


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_learns_and_is_the_same_after_loading(
    name, make_pipeline, make_examples, train_step, tmp_path: Path
) -> None:
    examples = make_examples(4)
    nlp = make_pipeline(examples=examples, model=CHOICES[name])
    optimizer = Adam(0.002)
    losses = [train_step(nlp, examples, optimizer)["doc_relation_extractor"] for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]
    before = scores_of(nlp, examples)
    nlp.to_disk(tmp_path)
    for expected, found in zip(before, scores_of(spacy.load(tmp_path), examples), strict=True):
        assert torch.allclose(expected, found, atol=1e-6)


def test_a_config_without_slots_has_the_defaults(make_pipeline, make_examples) -> None:
    """As configs of 0.1 are."""
    nlp = make_pipeline(examples=make_examples(2))
    model = nlp.config["components"]["doc_relation_extractor"]["model"]
    assert {slot: model[slot] for slot in SLOTS} == {
        "entity_pooling": "spacy_docre.LogSumExpPooling.v1",
        "context_pooling": "spacy_docre.LocalizedContextPooling.v1",
        "pair_features": "spacy_docre.GroupedBilinear.v1",
        "classifier": "spacy_docre.LinearClassifier.v1",
    }
    layers = [type(getattr(network_of(nlp), name)) for name in ("entity_pooling", "bilinear")]
    assert layers == [LogSumExpPooling, GroupedBilinear]


def test_slots_may_be_left_out_where_no_factory_fills_them(make_pipeline, make_examples) -> None:
    """As in an architecture of someone else, which has this one inside."""
    config = {
        "@architectures": "docre_test_wrapped",
        "inner": {
            "@architectures": "spacy_docre.DocRelationModel.v1",
            "width": 16,
            "block_size": 4,
            "pair_width": 8,
            "tok2vec": {"@architectures": "spacy_docre.TransformerListener.v1"},
            "pair_encoder": None,
        },
    }
    registry.architectures.register("docre_test_wrapped", func=lambda inner: inner)
    nlp = make_pipeline(["transformer"])
    nlp.add_pipe("doc_relation_extractor", config={"model": config})
    nlp.initialize(lambda: make_examples(2))
    network = network_of(nlp)
    assert isinstance(network.context_pooling, LocalizedContextPooling)
    assert isinstance(network.classifier, LinearClassifier)
    filled = nlp.config["components"]["doc_relation_extractor"]["model"]["inner"]
    assert filled["pair_features"] == "spacy_docre.GroupedBilinear.v1"
    assert nlp.config.to_str()


def test_no_pair_encoder_under_its_earlier_name(make_pipeline, make_examples) -> None:
    examples = make_examples(2)
    null, named = (
        make_pipeline(examples=examples, model={"pair_encoder": pair_encoder})
        for pair_encoder in (None, {"@layers": "spacy_docre.NoPairEncoder.v1"})
    )
    assert network_of(null).pair_encoder is None and network_of(named).pair_encoder is None
    for expected, found in zip(scores_of(null, examples), scores_of(named, examples), strict=True):
        assert torch.equal(expected, found)


@pytest.mark.parametrize("slot", ["entity_pooling", "pair_features", "classifier"])
def test_what_cannot_be_left_out(slot, make_pipeline) -> None:
    with pytest.raises(ValueError, match=slot):
        make_pipeline(model={slot: None})


class Doubled(nn.Module):
    """A pair encoder of someone else, a plain module: r = 2 g."""

    def forward(self, table, pairs):
        return 2 * table


class Summed(nn.Module):
    """Pair features of someone else: one linear map of z_s + z_o."""

    def __init__(self, width: int, pair_width: int, block_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, pair_width)

    def forward(self, heads, tails):
        return self.linear(heads + tails)


@pytest.fixture
def registered() -> Dict[str, Callable]:
    """Layers of someone else, registered as a file named by --code would."""
    layers = {
        "docre_test_doubled": lambda: lambda width: Doubled(),
        "docre_test_summed": lambda: Summed,
    }
    for name, make in layers.items():
        registry.layers.register(name, func=make)
    return layers


def test_layers_of_someone_else(registered, make_pipeline, make_examples) -> None:
    examples = make_examples(2)
    slots = {"pair_encoder": "docre_test_doubled", "pair_features": "docre_test_summed"}
    nlp = make_pipeline(
        examples=examples, model={slot: {"@layers": name} for slot, name in slots.items()}
    )
    assert isinstance(network_of(nlp).pair_encoder, Doubled)
    assert isinstance(network_of(nlp).bilinear, Summed)
    # z_s + z_o knows no direction: all that tells (s, o) from (o, s) are the maps of head and tail.
    assert all(torch.isfinite(logits).all() for logits in scores_of(nlp, examples))
    doubled = scores_of(nlp, examples)
    network_of(nlp).pair_encoder = None
    bias = network_of(nlp).classifier.bias.detach()
    for twice, once in zip(doubled, scores_of(nlp, examples), strict=True):
        assert torch.allclose(twice - bias, 2 * (once - bias), atol=1e-4)
