"""The last layer's attention: which kernel it takes, and its gradient."""

import itertools
import logging
from copy import deepcopy
from typing import List

import pytest
import spacy
import torch
from spacy.language import Language
from spacy.training import Example
from transformers import (
    AlbertConfig,
    AutoModel,
    AutoTokenizer,
    BigBirdConfig,
    FNetConfig,
    FunnelConfig,
    GPT2Config,
    LongformerConfig,
    MambaConfig,
    ReformerConfig,
    SqueezeBertConfig,
    T5Config,
    XLNetConfig,
    YosoConfig,
)
from transformers.utils import logging as transformers_logging

from spacy_docre.entity_sources import EntityDoc
from spacy_docre.models import extractor as extractor_module
from spacy_docre.models.attention import UnusableEncoder, add_attention_hooks, require_attention
from spacy_docre.models.pieces import encode_document
from tests.models.encoders import (
    FAMILIES,
    LAYERS,
    STOCK,
    WITH_SDPA,
    assert_same_gradients,
    docs_of,
    encoder_gradients,
    gradients,
    network_of,
    plain_encoder,
    run_plain,
)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """What spaCy and transformers log; transformers says everything as if for the first time."""
    transformers_logging.warning_once.cache_clear()
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("spacy"), "propagate", True)
    caplog.set_level(logging.INFO)
    return caplog


class TestAttentionKernel:
    @pytest.mark.parametrize("is_train", [False, True])
    @pytest.mark.parametrize("family", WITH_SDPA)
    def test_all_layers_but_the_last_run_sdpa(
        self, family, is_train, make_pipeline, make_examples, monkeypatch
    ):
        examples = make_examples(1)
        model = (
            make_pipeline(transformer={"family": family}, examples=examples)
            .get_pipe("transformer")
            .model
        )
        calls = []
        sdpa = torch.nn.functional.scaled_dot_product_attention

        def counted(*args, **kwargs):
            calls.append(1)
            return sdpa(*args, **kwargs)

        monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
        output, _ = model(docs_of(examples), is_train=is_train)
        # In prediction each window is alone.
        runs = 1 if is_train else len(output.wordpieces.input_ids)
        assert len(calls) == runs * (LAYERS - 1)

    @pytest.mark.parametrize("family", [*FAMILIES, "distilbert"])
    def test_no_warning_of_a_fallback_reaches_the_log(
        self, family, make_pipeline, make_examples, log
    ):
        examples = make_examples(1)
        nlp = make_pipeline(transformer={"family": family}, examples=examples)
        list(nlp.pipe(docs_of(examples)))
        nlp.update(examples, sgd=False)
        assert "output_attentions" not in log.text
        assert "alling back" not in log.text

    def test_transformers_does_warn_otherwise(self, make_pipeline, make_examples, encoder, log):
        examples = make_examples(1)
        batch = make_pipeline(examples=examples).get_pipe("transformer").predict(docs_of(examples))
        transformers_logging.warning_once.cache_clear()
        run_plain(AutoModel.from_pretrained(encoder("bert"), attn_implementation="sdpa"), batch)
        assert "output_attentions" in log.text

    @pytest.mark.parametrize("family", FAMILIES)
    def test_log_says_which_models_have_no_sdpa(self, family, make_pipeline, make_examples, log):
        make_pipeline(transformer={"family": family}, examples=make_examples(1))
        assert ("runs eager attention in all its layers" in log.text) is (family not in WITH_SDPA)
        assert "cannot be asked" not in log.text

    def test_log_warns_of_a_model_not_laid_out_like_bert(self, make_pipeline, make_examples, log):
        make_pipeline(transformer={"family": "distilbert"}, examples=make_examples(1))
        (warning,) = {
            record.getMessage()
            for record in log.records
            if record.name == "spacy" and record.levelno == logging.WARNING
        }
        assert warning.startswith("DistilBertModel cannot be asked for the attention of its last")


def plain_backward(
    nlp: Language, encoder: torch.nn.Module, network: torch.nn.Module, examples: List[Example]
) -> float:
    """The gradients of the relation loss in one autograd graph, from windows to loss."""
    batch = nlp.get_pipe("transformer").predict(docs_of(examples))
    output = run_plain(encoder, batch)
    labels = nlp.get_pipe("doc_relation_extractor").labels
    encoded, gold = [], []
    start = 0
    for example, spans, data in zip(examples, batch.spans, batch.doc_data, strict=True):
        windows = slice(start, start + len(spans))
        start = windows.stop
        entities = [list(entity.mentions) for entity in example.reference._.entities]
        if len(entities) < 2:
            continue
        document = encode_document(
            EntityDoc(example.predicted, entities),
            data,
            device=torch.device("cpu"),
            is_train=False,
        )
        encoded.append(
            document._replace(
                hidden=output.last_hidden_state[windows],
                attention=output.attentions[-1][windows],
            )
        )
        triples = {
            (relation.head.index, relation.tail.index, relation.label_)
            for relation in example.reference._.relations
        }
        for head, tail in itertools.permutations(range(len(entities)), 2):
            gold.append([(head, tail, label) in triples for label in labels])
    logits = torch.cat([scores.logits for scores in network(encoded)])
    loss = nlp.get_pipe("doc_relation_extractor").loss(logits, torch.tensor(gold))
    loss.backward()
    return loss.item()


@pytest.fixture
def odd_examples(make_example, make_examples) -> List[Example]:
    """Documents, and among them empty ones and ones with too few entities for a pair."""
    first, second = make_examples(2, seed=3)
    return [
        make_example([]),
        make_example("It was a long winter".split()),
        first,
        make_example([]),
        make_example("Ada Lane worked".split(), [[(0, 2)]]),
        second,
        make_example([]),
    ]


class TestGradients:
    @pytest.mark.parametrize("family", [*FAMILIES, "distilbert"])
    def test_update_gives_the_gradient_of_one_graph(
        self, family, make_pipeline, make_examples, encoder
    ):
        examples = make_examples(3)
        nlp = make_pipeline(transformer={"family": family}, examples=examples)
        plain, network = plain_encoder(encoder(family)), deepcopy(network_of(nlp))
        loss = plain_backward(nlp, plain, network, examples)
        losses = nlp.update(examples, sgd=False)
        assert losses["doc_relation_extractor"] == pytest.approx(loss, rel=1e-5)
        assert_same_gradients(encoder_gradients(nlp), gradients(plain))
        assert_same_gradients(gradients(network_of(nlp)), gradients(network))

    def test_attention_carries_a_good_part_of_the_gradient(
        self, make_pipeline, make_examples, monkeypatch
    ):
        """Else the comparisons here could not tell whether it is there."""
        examples = make_examples(3)
        nlp = make_pipeline(examples=examples)
        nlp.update(examples, sgd=False)
        with_attention = encoder_gradients(nlp)
        constant = make_pipeline(examples=examples)
        monkeypatch.setattr(extractor_module, "leave_attention_gradient", lambda *_: None)
        constant.update(examples, sgd=False)
        name = "encoder.layer.2.attention.self.query.weight"
        difference = with_attention[name] - encoder_gradients(constant)[name]
        # 0.1 to 0.3, as the tokenizer comes out, whose training is no two times the same.
        assert difference.norm() > 0.02 * with_attention[name].norm()

    def test_empty_documents_and_documents_without_pairs(
        self, make_pipeline, odd_examples, encoder
    ):
        nlp = make_pipeline(examples=odd_examples)
        plain, network = plain_encoder(encoder("bert")), deepcopy(network_of(nlp))
        plain_backward(nlp, plain, network, odd_examples)
        nlp.update(odd_examples, sgd=False)
        assert_same_gradients(encoder_gradients(nlp), gradients(plain))
        assert_same_gradients(gradients(network_of(nlp)), gradients(network))

    def test_gradients_accumulate(self, make_pipeline, make_examples, encoder):
        examples = make_examples(4)
        nlp = make_pipeline(examples=examples)
        plain, network = plain_encoder(encoder("bert")), deepcopy(network_of(nlp))
        for half in (examples[:1], examples[1:]):
            plain_backward(nlp, plain, network, half)
            nlp.update(half, sgd=False)
        assert_same_gradients(encoder_gradients(nlp), gradients(plain))
        assert_same_gradients(gradients(network_of(nlp)), gradients(network))

    @pytest.mark.parametrize("odd", [False, True])
    @pytest.mark.parametrize(
        "order", [("doc_relation_extractor", "ner"), ("ner", "doc_relation_extractor")]
    )
    def test_gradient_with_a_second_listener_is_the_sum_of_both(
        self, order, odd, make_pipeline, make_examples, odd_examples, tmp_path
    ):
        examples = odd_examples if odd else make_examples(3)
        make_pipeline(("transformer", *order), examples=make_examples(3)).to_disk(tmp_path)
        found = []
        for excluded in ([], ["ner"], ["doc_relation_extractor"]):
            nlp = spacy.load(tmp_path, exclude=excluded)
            # Twice, so that what the first step left behind would show.
            for batch in (examples, examples[::-1]):
                nlp.update(batch, sgd=False)
            found.append(encoder_gradients(nlp))
        both, relations, entities = found
        assert_same_gradients(both, {name: relations[name] + entities[name] for name in both})
        for alone in (relations, entities):
            name = "encoder.layer.0.output.dense.weight"
            assert alone[name].norm() > 0.01 * both[name].norm()

    @pytest.mark.parametrize(
        "order", [("doc_relation_extractor", "ner"), ("ner", "doc_relation_extractor")]
    )
    def test_a_batch_without_pairs_holds_back_no_gradient_of_ner(
        self, order, make_pipeline, make_examples, make_example, tmp_path
    ):
        """The last listener starts the backward pass, whatever it has to add."""
        make_pipeline(("transformer", *order), examples=make_examples(3)).to_disk(tmp_path)
        batch = [make_example(["Ada", "Lane", "worked"], [[(0, 2)]]), make_example(["Oslo"])]
        found = []
        for excluded in ([], ["doc_relation_extractor"]):
            nlp = spacy.load(tmp_path, exclude=excluded)
            nlp.update(batch, sgd=False)
            found.append(encoder_gradients(nlp))
        assert_same_gradients(*found)

    def test_attention_gradients_of_two_relation_extractors_add_up(
        self, make_pipeline, make_examples
    ):
        examples = make_examples(2)
        nlp = make_pipeline(examples=examples)
        nlp.update(examples, sgd=False)
        both = make_pipeline()
        settings = {"model": both.get_pipe_config("doc_relation_extractor")["model"]}
        both.add_pipe("doc_relation_extractor", name="second", config=settings)
        both.initialize(lambda: examples)
        for name in ("doc_relation_extractor", "second"):
            both.get_pipe(name).model.get_ref("pair_scorer").shims[0]._model = deepcopy(
                network_of(nlp)
            )
        both.update(examples, sgd=False)
        assert_same_gradients(
            encoder_gradients(both),
            {name: 2 * gradient for name, gradient in encoder_gradients(nlp).items()},
        )


SMALL = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
COMMON = {"d_model": 32, "d_inner": 64, "n_head": 4}
UNUSABLE = {
    "Longformer": LongformerConfig(**SMALL, attention_window=8),
    "Reformer": ReformerConfig(
        vocab_size=60,
        hidden_size=32,
        num_attention_heads=2,
        attention_head_size=16,
        axial_pos_shape=[8, 16],
        axial_pos_embds_dim=[16, 16],
        attn_layers=["local"],
        local_attn_chunk_length=8,
        is_decoder=False,
    ),
    "BigBird": BigBirdConfig(**SMALL, block_size=8, num_random_blocks=1),
    "FNet": FNetConfig(vocab_size=60, hidden_size=32, num_hidden_layers=2, intermediate_size=64),
    "Mamba": MambaConfig(vocab_size=60, hidden_size=32, num_hidden_layers=2, state_size=4),
    "Yoso": YosoConfig(**SMALL),
    "SqueezeBert": SqueezeBertConfig(**SMALL, embedding_size=32),
    "T5": T5Config(vocab_size=60, d_model=32, num_layers=2, num_heads=4, d_kv=8, d_ff=64),
}
USABLE = {
    "BigBird": BigBirdConfig(**SMALL, attention_type="original_full"),
    # Its last layers read all pieces again.
    "Funnel": FunnelConfig(
        **COMMON,
        vocab_size=60,
        block_sizes=[2, 2],
        block_repeats=[1, 1],
        d_head=8,
        architectures=["FunnelModel"],
    ),
    "XLNet": XLNetConfig(**COMMON, vocab_size=60, n_layer=2),
    "Albert": AlbertConfig(**SMALL, embedding_size=16),
    "GPT2": GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=4),
}


class TestOtherEncoders:
    """Of those of the transformers library that are not like BERT."""

    @pytest.mark.parametrize("name", UNUSABLE)
    def test_attention_of_another_shape(self, name):
        transformer = AutoModel.from_config(UNUSABLE[name])
        add_attention_hooks(transformer)
        with pytest.raises(UnusableEncoder, match=f"^{name}Model cannot be.*BERT.*windows"):
            require_attention(transformer, 100)

    @pytest.mark.parametrize("name", USABLE)
    def test_attention_between_all_pieces(self, name):
        transformer = AutoModel.from_config(USABLE[name]).train()
        add_attention_hooks(transformer)
        require_attention(transformer, 70)
        assert transformer.training

    def test_pipeline_is_not_built(self, make_pipeline, make_examples, encoder, tmp_path):
        AutoTokenizer.from_pretrained(encoder("roberta")).save_pretrained(tmp_path)
        config = LongformerConfig(**{**SMALL, "vocab_size": 400}, attention_window=8)
        AutoModel.from_config(config).save_pretrained(tmp_path)
        with pytest.raises(UnusableEncoder, match="^LongformerModel cannot be"):
            make_pipeline(transformer={"name": str(tmp_path)}, examples=make_examples(1))
        nlp = make_pipeline(
            ("transformer",),
            transformer={"name": str(tmp_path), "architecture": STOCK},
            examples=make_examples(1),
        )
        with pytest.raises(UnusableEncoder, match="^LongformerModel cannot be"):
            nlp.add_pipe("doc_relation_extractor")
