"""The stock transformer is exchanged for ours, which hands over its attention."""

import pytest
import spacy
from spacy.language import Language
from spacy_transformers.layers import TransformerListener
from spacy_transformers.layers import TransformerModel as StockTransformerModel
from spacy_transformers.span_getters import configure_strided_spans

from spacy_docre.models.transformer import TransformerModel
from tests.conftest import STOCK, as_stock

OURS = "spacy_docre.TransformerModel.v1"


def architecture(nlp: Language, name: str = "transformer") -> str:
    return nlp.config["components"][name]["model"]["@architectures"]


def hidden_states(nlp: Language, docs: list):
    output = nlp.get_pipe("transformer").predict(docs)
    # What stands for padding is anyone's choice.
    return output.model_output["last_hidden_state"][output.wordpieces.attention_mask > 0]


def listener_of(nlp: Language, name: str) -> TransformerListener:
    nodes = nlp.get_pipe(name).model.walk()
    return next(node for node in nodes if isinstance(node, TransformerListener))


def test_stock_transformer_before_the_extractor(make_pipeline, make_examples, tmp_path):
    # An untrained model takes every relation for rare.
    nlp = make_pipeline(transformer={"architecture": STOCK}, threshold=0.01)
    assert type(nlp.get_pipe("transformer").model) is TransformerModel
    assert architecture(nlp) == OURS
    examples = make_examples(2)
    nlp.initialize(lambda: examples)
    docs = list(nlp.pipe([example.predicted for example in examples]))
    assert any(doc._.relations for doc in docs)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert architecture(loaded) == OURS
    for before, after in zip(
        docs, loaded.pipe([eg.predicted for eg in make_examples(2)]), strict=True
    ):
        assert [relation.triple for relation in after._.relations] == [
            relation.triple for relation in before._.relations
        ]


def test_stock_transformer_put_before_the_extractor_later(
    make_pipeline, make_examples, transformer_config, tmp_path
):
    nlp = make_pipeline(["doc_relation_extractor"])
    nlp.add_pipe("transformer", config=transformer_config(architecture=STOCK), first=True)
    assert architecture(nlp) == STOCK
    examples = make_examples(2)
    nlp.initialize(lambda: examples)
    assert architecture(nlp) == OURS
    nlp.update(examples)
    nlp.to_disk(tmp_path)
    doc = spacy.load(tmp_path)(examples[0].predicted)
    assert len(doc._.entities) > 1


def test_stock_transformer_keeps_its_weights_and_its_other_listeners(make_pipeline, make_examples):
    examples = make_examples(2)
    nlp = make_pipeline(
        ("transformer", "ner"), transformer={"architecture": STOCK}, examples=examples
    )
    nlp.update(examples)
    docs = [example.predicted for example in examples]
    before = hidden_states(nlp, docs)
    assert type(nlp.get_pipe("transformer").model) is StockTransformerModel
    nlp.add_pipe("doc_relation_extractor")
    assert architecture(nlp) == OURS
    assert (hidden_states(nlp, docs) - before).abs().max() < 1e-5
    extractor = nlp.get_pipe("doc_relation_extractor")
    extractor.initialize(lambda: examples, nlp=nlp)
    transformer = nlp.get_pipe("transformer")
    assert set(transformer.listening_components) == {"ner", "doc_relation_extractor"}
    before = hidden_states(nlp, docs)
    losses = nlp.update(examples, sgd=nlp.create_optimizer())
    assert losses["ner"] > 0 and losses["doc_relation_extractor"] > 0
    assert (hidden_states(nlp, docs) - before).abs().max() > 1e-5


def test_sourced_stock_transformer(make_pipeline, make_examples, tmp_path):
    source = make_pipeline(
        ("transformer", "ner"), transformer={"architecture": STOCK}, examples=make_examples(2)
    )
    docs = [example.predicted for example in make_examples(1)]
    before = hidden_states(source, docs)
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", source=source)
    nlp.add_pipe("doc_relation_extractor")
    assert architecture(nlp) == OURS
    assert (hidden_states(nlp, docs) - before).abs().max() < 1e-5
    # The pipeline it came from goes on as it was.
    assert architecture(source) == STOCK
    assert type(source.get_pipe("transformer").model) is StockTransformerModel
    source.to_disk(tmp_path)
    assert (hidden_states(spacy.load(tmp_path), docs) - before).abs().max() < 1e-5


def test_disabled_sourced_stock_transformer_stays_disabled(make_pipeline, make_examples):
    source = make_pipeline(
        ("transformer",), transformer={"architecture": STOCK}, examples=make_examples(2)
    )
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", source=source)
    nlp.disable_pipe("transformer")
    nlp.add_pipe("doc_relation_extractor")
    assert architecture(nlp) == OURS
    assert nlp.disabled == ["transformer"]


def test_stock_model_of_an_architecture_of_the_users_is_left_alone(encoder):
    """Its settings are not ours."""

    @spacy.registry.architectures("test.SmallTransformer.v1")
    def make_small_transformer(size: str) -> StockTransformerModel:
        return StockTransformerModel(encoder("bert"), configure_strided_spans(16, 12))

    nlp = spacy.blank("en")
    config = {"@architectures": "test.SmallTransformer.v1", "size": "small"}
    nlp.add_pipe("transformer", config={"model": config})
    nlp.add_pipe("doc_relation_extractor")
    assert architecture(nlp) == "test.SmallTransformer.v1"


def test_stock_transformer_that_gives_all_attentions_goes_on_giving_them(
    make_pipeline, make_examples
):
    nlp = make_pipeline(
        transformer={
            "architecture": STOCK,
            "transformer_config": {"output_attentions": True},
        },
        examples=make_examples(2),
    )
    assert architecture(nlp) == OURS
    (example,) = make_examples(1)
    doc = nlp.get_pipe("transformer")(example.predicted)
    assert len(doc._.trf_data.model_output["attentions"]) == 3


def test_transformer_that_the_extractor_does_not_listen_to_is_left_alone(
    make_pipeline, transformer_config
):
    nlp = make_pipeline(["transformer"], transformer={"architecture": STOCK})
    nlp.add_pipe("transformer", name="other", config=transformer_config(architecture=STOCK))
    tok2vec = {"@architectures": "spacy_docre.TransformerListener.v1", "upstream": "other"}
    nlp.add_pipe("doc_relation_extractor", config={"model": {"tok2vec": tok2vec}})
    assert architecture(nlp, "other") == OURS
    assert architecture(nlp) == STOCK


@pytest.mark.parametrize("pipes", [(), ("transformer",)])
def test_no_transformer_before_the_extractor(pipes, make_pipeline, make_examples):
    """A transformer that comes after the extractor is none either."""
    nlp = make_pipeline(("doc_relation_extractor", *pipes))
    with pytest.raises(ValueError, match=r"finds no component 'transformer' to listen to"):
        nlp.initialize(lambda: make_examples(2))


def test_no_transformer_at_prediction(make_pipeline, make_examples, tmp_path):
    make_pipeline(examples=make_examples(2)).to_disk(tmp_path)
    nlp = spacy.load(tmp_path, exclude=["transformer"])
    (example,) = make_examples(1)
    with pytest.raises(ValueError, match="Put a 'transformer' component before the relation"):
        nlp(example.predicted)


def test_stock_transformer_in_a_config(make_pipeline, make_examples):
    config = make_pipeline().config
    transformer = config["components"]["transformer"]
    transformer["model"] = as_stock(transformer["model"])
    nlp = spacy.util.load_model_from_config(config)
    assert architecture(nlp) == OURS
    assert architecture(spacy.util.load_model_from_config(nlp.config)) == OURS
    nlp.initialize(lambda: make_examples(2))


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("own_first", [True, False])
def test_sourced_beside_a_stock_transformer(
    own_first, named, trained, trained_folder, make_pipeline, make_examples, tmp_path
):
    """A pipeline's own transformer and what listens to it stay as they are, in memory and where
    the pipeline is loaded again."""
    examples = make_examples(3)
    nlp = make_pipeline(
        ("transformer", "ner"), transformer={"architecture": STOCK}, examples=examples
    )
    listener_of(nlp, "ner").upstream_name = "transformer"
    nlp.config["components"]["ner"]["model"]["tok2vec"]["upstream"] = "transformer"
    source = spacy.load(trained_folder)
    if named:
        listener_of(source, "doc_relation_extractor").upstream_name = "other"
        tok2vec = source.config["components"]["doc_relation_extractor"]["model"]["tok2vec"]
        tok2vec["upstream"] = "other"
    place = {} if own_first else {"before": "transformer"}
    nlp.add_pipe("transformer", source=source, name="other", **place)
    nlp.add_pipe("doc_relation_extractor", source=source, after="other")
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert architecture(loaded) == STOCK
    assert architecture(loaded, "other") == OURS
    for example in examples:
        docs = [pipeline(example.predicted.copy()) for pipeline in (nlp, loaded, trained)]
        triples = [[relation.triple for relation in doc._.relations] for doc in docs]
        assert triples[0] == triples[1] == triples[2] != []
        first, second = ([(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs[:2])
        assert first == second


def test_stock_weights_are_read_by_ours(make_pipeline, make_examples, tmp_path):
    """A pipeline that was saved with the stock transformer, and gets a relation extractor in its
    config."""
    examples = make_examples(2)
    nlp = make_pipeline(
        ("transformer", "ner"), transformer={"architecture": STOCK}, examples=examples
    )
    docs = [example.predicted for example in examples]
    expected = hidden_states(nlp, docs)
    nlp.to_disk(tmp_path)
    weights = (tmp_path / "transformer" / "model").read_bytes()
    model = make_pipeline(["transformer"]).get_pipe("transformer").model.from_bytes(weights)
    assert type(model) is TransformerModel
    output = model.predict(docs)
    found = output.model_output["last_hidden_state"][output.wordpieces.attention_mask > 0]
    assert (found - expected).abs().max() < 1e-5


def test_stock_weights_that_are_damaged(make_pipeline, make_examples):
    nlp = make_pipeline(
        ("transformer",), transformer={"architecture": STOCK}, examples=make_examples(2)
    )
    data = nlp.get_pipe("transformer").model.to_bytes()
    data = data.replace(b"data.pkl", b"data.xyz")
    ours = make_pipeline(["transformer"]).get_pipe("transformer").model
    with pytest.raises(ValueError, match="weights of the transformer cannot be read"):
        ours.from_bytes(data)
