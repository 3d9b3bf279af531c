"""Token vectors of two networks side by side."""

from typing import List

import numpy
import pytest
import spacy
from spacy.ml.models import CharacterEmbed, MultiHashEmbed
from spacy.tokens import Doc
from thinc.api import Model

from spacy_docre.models.architectures import make_joined_tok2vec


@pytest.fixture
def docs() -> List[Doc]:
    nlp = spacy.blank("en")
    return [nlp.make_doc(text) for text in ("Ada Lane was born in Oslo.", "Yes.", "")]


def make_networks() -> List[Model]:
    return [
        MultiHashEmbed(4, ["NORM", "SHAPE"], [50, 50], include_static_vectors=False),
        CharacterEmbed(6, 50, 3, 2, include_static_vectors=False),
    ]


def gradients(model: Model) -> List[numpy.ndarray]:
    return [node.get_grad(name) for node in model.walk() for name in node.grad_names]


def test_it_is_both_networks(docs: List[Doc]) -> None:
    """Forward and backward, as if each network stood alone."""
    networks = make_networks()
    joined = make_joined_tok2vec(*networks)
    joined.initialize(X=docs)
    alone = [network.predict(docs) for network in networks]
    vectors, backprop = joined.begin_update(docs)
    for doc, ours, first, second in zip(docs, vectors, *alone, strict=True):
        assert len(ours) == len(doc)
        numpy.testing.assert_array_equal(ours, numpy.hstack([first, second]))

    rng = numpy.random.default_rng(0)
    d_vectors = [rng.normal(size=ours.shape).astype("f") for ours in vectors]
    backprop(d_vectors)
    found = [gradients(network) for network in networks]
    assert len(docs) > 1 and all(found)
    for network, ours, columns in zip(networks, found, (slice(0, 4), slice(4, 10)), strict=True):
        for node in network.walk():
            for name in node.grad_names:
                node.set_grad(name, numpy.zeros_like(node.get_grad(name)))
        network.begin_update(docs)[1]([d[:, columns] for d in d_vectors])
        assert len(ours) > 0 and any(numpy.abs(gradient).max() > 0 for gradient in ours)
        for one, other in zip(ours, gradients(network), strict=True):
            numpy.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_with_a_listener(make_pipeline, make_examples, train_step, tmp_path) -> None:
    """The transformer learns from both its listeners, and everything is stored."""
    from thinc.api import Adam

    examples = make_examples(3)
    nlp = make_pipeline(("transformer", "ner", "doc_relation_extractor"))
    config = nlp.config
    config["components"]["ner"]["model"]["tok2vec"] = {
        "@architectures": "spacy_docre.JoinedTok2Vec.v1",
        "first": config["components"]["ner"]["model"]["tok2vec"],
        "second": {
            "@architectures": "spacy.MultiHashEmbed.v2",
            "width": 16,
            "attrs": ["NORM", "SHAPE"],
            "rows": [100, 100],
            "include_static_vectors": False,
        },
    }
    nlp = spacy.util.load_model_from_config(config)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.005)
    losses = [train_step(nlp, examples, optimizer) for _ in range(15)]
    for name in ("ner", "doc_relation_extractor"):
        assert losses[-1][name] < 0.8 * losses[0][name]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    for example in examples:
        ours, theirs = (n(example.predicted.copy()) for n in (nlp, loaded))
        assert [ent.text for ent in ours.ents] == [ent.text for ent in theirs.ents]


def test_tokens_that_have_changed(docs: List[Doc]) -> None:
    """Between the two networks nothing is shifted, and the error says what to do."""

    def of_others(model: Model, docs: List[Doc], is_train: bool) -> tuple:
        return [numpy.zeros((len(doc) - (len(doc) > 3), 2), dtype="f") for doc in docs], list

    for order in (1, -1):
        networks = [make_networks()[0], Model("listener", of_others)]
        joined = make_joined_tok2vec(*networks[::order])
        networks[0].initialize(X=docs)
        for is_train in (False, True):
            with pytest.raises(ValueError, match="'Ada Lane was born in' has 7 .* 6 vec.*merge"):
                joined(docs, is_train)
        assert len(joined(docs[1:], False)[0]) == 2
