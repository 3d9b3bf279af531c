"""SSAN: entity structure in the self-attention of the encoder."""

import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import numpy
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_config
from spacy_transformers.data_classes import FullTransformerBatch
from thinc.api import SGD, Adam, Config
from transformers import AutoTokenizer

from spacy_docre.entity_sources import make_span_group_entities
from spacy_docre.models.markers import make_mention_markers, mark_mentions
from spacy_docre.models.systems import ssan
from spacy_docre.models.systems.ssan import (
    DEPENDENCIES,
    NA,
    BiaffineTerm,
    DecomposedTerm,
    find_dependencies,
    make_entity_structure,
)
from spacy_docre.models.windows import fit, tokenize
from tests.models import equations_ssan as equations
from tests.models.encoders import docs_of, encoder_gradients, relations_of

FORMS = ["biaffine", "decomposed"]
FAMILIES = ["bert", "roberta", "xlm-roberta", "electra", "mpnet"]
CONFIGS = Path(__file__).parents[3] / "configs"
WORDS = "Ada Lane was born in New Haven . There Ada was at Acme Works , based in Oslo .".split()
# One mention within another, of another entity; one entity in both sentences.
ENTITIES = [[(0, 2), (9, 10)], [(5, 7)], [(6, 7)], [(12, 14)], [(17, 18)]]
SENTENCES = [0, 8]


def structure(form: str = "biaffine") -> Dict[str, Any]:
    return {"@misc": "spacy_docre.EntityStructure.v1", "form": form}


def transformer_of(nlp: Language) -> Any:
    return nlp.get_pipe("transformer").model.transformer


def terms_of(nlp: Language) -> Dict[str, torch.Tensor]:
    parameters = transformer_of(nlp).named_parameters()
    return {name: parameter for name, parameter in parameters if ".structure." in name}


def randomize(nlp: Language, std: float = 0.3) -> Language:
    torch.manual_seed(1)
    for parameter in terms_of(nlp).values():
        torch.nn.init.normal_(parameter, std=std)
    return nlp


@pytest.fixture(scope="module")
def make_structured(make_pipeline: Callable, make_examples: Callable) -> Callable[..., Language]:
    """Makes an untrained pipeline with random structure."""

    def make(form: str = "biaffine", *, transformer: Dict[str, Any] = {}, **settings) -> Language:
        known = {"structure": structure(form), **transformer}
        return randomize(make_pipeline(examples=make_examples(3), transformer=known, **settings))

    return make


@pytest.fixture
def doc(make_doc: Callable) -> Doc:
    return make_doc(WORDS, ENTITIES, sentences=SENTENCES)


def naive_dependencies(doc: Doc, characters: numpy.ndarray) -> List[List[Optional[str]]]:
    """Of one window."""
    pieces = [tuple(piece) for piece in characters.tolist()]
    entities = make_span_group_entities()(doc)
    return [
        [equations.dependency(doc, entities, asking, asked) for asked in pieces]
        for asking in pieces
    ]


def as_names(dependencies: torch.Tensor) -> List[List[Optional[str]]]:
    return [[None if s == NA else DEPENDENCIES[s] for s in row] for row in dependencies.tolist()]


class TestDependencies:
    @pytest.mark.parametrize("markers", [False, True], ids=["text", "markers"])
    @pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
    def test_agree_with_their_definition(
        self, family: str, markers: bool, encoder: Callable, make_doc: Callable, doc: Doc
    ) -> None:
        tokenizer = AutoTokenizer.from_pretrained(encoder(family))
        short = make_doc("Acme Works knew Oslo .".split(), [[(0, 2)], [(3, 4)]], sentences=[0, 3])
        spans = [[doc[0:12], doc[6:19]], [], [short[:]]]
        pieces = (
            mark_mentions(tokenizer, spans, make_mention_markers())
            if markers
            else tokenize(tokenizer, spans)
        )
        windows = fit(tokenizer, spans, pieces, 60)
        owners = [window.doc for spans in windows.spans for window in spans]
        assert len(owners) > 2
        found = find_dependencies(make_entity_structure().of_pieces(windows))
        names = set()
        for row, owner in enumerate(owners):
            expected = naive_dependencies(owner, windows.pieces.characters[row])
            assert as_names(found[row]) == expected
            names |= {name for asking in expected for name in asking}
        assert names == {None, *DEPENDENCIES}
        characters = torch.as_tensor(windows.pieces.characters)
        no_text = characters[..., 0] == characters[..., 1]
        assert no_text[:, 0].all() and no_text[-1, -3:].all()
        assert (found[no_text] == NA).all() and (found.transpose(1, 2)[no_text] == NA).all()


class TestAttention:
    @pytest.mark.parametrize("kernel", ["eager", "sdpa"])
    @pytest.mark.parametrize("form", FORMS)
    def test_agrees_with_a_naive_loop(
        self, form: str, kernel: str, make_structured: Callable, doc: Doc
    ) -> None:
        settings = {"transformer_config": {"attn_implementation": kernel}, "window": 9, "stride": 7}
        nlp = make_structured(form, transformer=settings)
        batch = nlp.get_pipe("transformer").predict([doc])
        lengths = batch.wordpieces.lengths
        assert len(set(lengths)) > 1
        for row, length in enumerate(lengths):
            characters = batch.model_output["piece_characters"][row, :length]
            names = naive_dependencies(doc, characters.numpy())
            ids = torch.as_tensor(batch.wordpieces.input_ids[row, :length])
            with torch.no_grad():
                hidden, attention = equations.run_bert(transformer_of(nlp), ids, names)
            found = batch.model_output
            close = {"atol": 2e-4, "rtol": 0}
            torch.testing.assert_close(found["last_hidden_state"][row, :length], hidden, **close)
            found_attention = found["last_attention"][row, :, :length, :length]
            torch.testing.assert_close(found_attention, attention, **close)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_term_is_added_to_the_scores_of_each_family(
        self, family: str, make_structured: Callable, doc: Doc
    ) -> None:
        """In the only layer: the attention without it is that of the plain encoder."""
        settings = {"family": family, "transformer_config": {"num_hidden_layers": 1}}
        nlp = make_structured("decomposed", transformer=settings)
        (layer,) = transformer_of(nlp).encoder.layer
        attention = layer.attention.attn if family == "mpnet" else layer.attention.self
        hidden: List[torch.Tensor] = []
        value = attention.v if family == "mpnet" else attention.value
        value.register_forward_hook(lambda module, args, output: hidden.append(args[0]))
        batch = nlp.get_pipe("transformer").predict([doc])
        weights = dict(attention.structure.named_parameters())
        plain = batch_without_structure(nlp, doc)
        query, key = ("q", "k") if family == "mpnet" else ("query", "key")
        for row, length in enumerate(batch.wordpieces.lengths):
            characters = batch.model_output["piece_characters"][row, :length].numpy()
            names = naive_dependencies(doc, characters)
            q, k = (
                getattr(attention, name)(hidden[row])[0].view(length, 4, 8) for name in (query, key)
            )
            terms = torch.tensor(
                [
                    [
                        [
                            equations.term(weights, head, q[i, head], k[j, head], names[i][j])
                            for j in range(length)
                        ]
                        for i in range(length)
                    ]
                    for head in range(4)
                ]
            )
            old = plain.model_output["last_attention"][row, :, :length, :length]
            expected = (old.log() + terms / 8**0.5).softmax(-1)
            found = batch.model_output["last_attention"][row, :, :length, :length]
            assert (found - old).abs().max() > 0.05
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("family", FAMILIES)
    def test_encoder_begins_as_it_was(
        self, family: str, form: str, make_pipeline: Callable, make_examples: Callable
    ) -> None:
        examples = make_examples(3)
        outputs = []
        for setting in (None, structure(form)):
            config = {"family": family, "structure": setting}
            config["transformer_config"] = {"attn_implementation": "eager"}
            nlp = make_pipeline(examples=examples, transformer=config)
            outputs.append(nlp.get_pipe("transformer").predict(docs_of(examples)).model_output)
        for name in ("last_hidden_state", "last_attention"):
            assert torch.equal(outputs[0][name], outputs[1][name])

    def test_padding_and_other_documents_change_nothing(
        self, make_structured: Callable, make_examples: Callable
    ) -> None:
        """In prediction each window is alone; in training they are padded."""
        model = make_structured().get_pipe("transformer").model
        docs = docs_of(make_examples(4, seed=5))
        together, _ = model(docs, True)
        real = torch.as_tensor(together.wordpieces.attention_mask).bool()
        assert not real.all()
        start = 0
        for doc in docs:
            alone = model.predict([doc])
            rows, length = alone.wordpieces.input_ids.shape
            kept = real[start : start + rows, :length]
            for name, axis in (("last_hidden_state", 1), ("last_attention", 2)):
                ours = together.model_output[name][start : start + rows].detach()
                if name == "last_attention":
                    outside = ours.masked_select(~real[start : start + rows, None, None])
                    assert (outside == 0).all()
                    ours = ours[..., :length]
                ours = ours.transpose(1, axis)[:, :length][kept]
                theirs = alone.model_output[name].transpose(1, axis)[kept]
                torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
            start += rows

    def test_order_of_entities_changes_nothing(
        self, make_structured: Callable, make_doc: Callable
    ) -> None:
        model = make_structured().get_pipe("transformer").model
        docs = [make_doc(WORDS, order, sentences=SENTENCES) for order in (ENTITIES, ENTITIES[::-1])]
        states = [model.predict([doc]).model_output["last_hidden_state"] for doc in docs]
        assert torch.equal(*states)

    def test_bfloat16_is_close(self, make_structured: Callable, doc: Doc) -> None:
        outputs = [
            make_structured(transformer={"precision": precision})
            .get_pipe("transformer")
            .predict([doc])
            .model_output
            for precision in ("float32", "bfloat16")
        ]
        for name in ("last_hidden_state", "last_attention"):
            assert outputs[1][name].dtype == torch.float32
            assert 0 < (outputs[0][name] - outputs[1][name]).abs().mean() < 0.05

    def test_threads(self, make_structured: Callable, make_examples: Callable) -> None:
        nlp = make_structured(threshold=0.0)
        docs = docs_of(make_examples(20, seed=1))
        expected = [relations_of([nlp(doc.copy())]) for doc in docs]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(5e-6)
        try:
            with ThreadPoolExecutor(8) as executor:
                found = list(executor.map(lambda doc: relations_of([nlp(doc.copy())]), docs))
        finally:
            sys.setswitchinterval(interval)
        assert found == expected and all(map(any, expected))


def batch_without_structure(nlp: Language, doc: Doc) -> FullTransformerBatch:
    """What the same encoder gives for the text alone."""
    without = doc.copy()
    without.spans["entities"] = []
    return nlp.get_pipe("transformer").predict([without])


@pytest.mark.parametrize("term", [BiaffineTerm, DecomposedTerm])
def test_gradient_of_terms(term: type) -> None:
    torch.manual_seed(0)
    module = term(2, 3).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    queries, keys = (torch.randn(1, 2, n, 3).double().requires_grad_() for n in (3, 5))
    dependencies = torch.randint(0, len(DEPENDENCIES), (1, 3, 5))

    def function(queries, keys, *parameters):
        return module(queries, keys, dependencies)

    inputs = (queries, keys, *module.parameters())
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)


class TestTraining:
    @pytest.mark.parametrize("form", FORMS)
    def test_all_terms_learn(
        self, form: str, make_pipeline: Callable, make_examples: Callable
    ) -> None:
        """From zeros, in each layer; the word embeddings are frozen."""
        examples = make_examples(6)
        config = {"structure": structure(form), "frozen_embeddings": True}
        nlp = make_pipeline(examples=examples, transformer=config)
        embeddings = transformer_of(nlp).get_input_embeddings().weight.clone()
        nlp.update(examples, sgd=False)
        learnt = terms_of(nlp)
        assert len(learnt) == 3 * (2 if form == "biaffine" else 3)
        for name, gradient in encoder_gradients(nlp).items():
            if name in learnt:
                # Of all heads and all dependencies.
                sizes = gradient.abs().reshape(*gradient.shape[:2], -1).amax(2)
                assert (sizes > 0).all(), name
        nlp.get_pipe("transformer").finish_update(SGD(0.1))
        assert all(parameter.abs().max() > 0 for parameter in terms_of(nlp).values())
        assert torch.equal(transformer_of(nlp).get_input_embeddings().weight, embeddings)

    @pytest.mark.parametrize("form", FORMS)
    def test_ten_documents_are_learnt(
        self, form: str, make_pipeline: Callable, make_examples: Callable, train_step: Callable
    ) -> None:
        examples = make_examples(10)
        nlp = make_pipeline(
            examples=examples, learn_rate_factor=10.0, transformer={"structure": structure(form)}
        )
        optimizer = Adam(0.0005)
        for _ in range(100):
            for batch in (examples[:5], examples[5:]):
                train_step(nlp, batch, optimizer)
        assert nlp.evaluate(make_examples(10))["rel_f"] >= 0.95
        assert all(parameter.abs().max() > 1e-3 for parameter in terms_of(nlp).values())


class TestStorage:
    @pytest.mark.parametrize("form", FORMS)
    def test_loaded_pipeline_and_copy_predict_the_same(
        self, form: str, make_structured: Callable, make_examples: Callable, tmp_path: Path
    ) -> None:
        nlp = make_structured(form, threshold=0.0)
        docs = docs_of(make_examples(3, seed=5))
        expected = relations_of(nlp.pipe([doc.copy() for doc in docs]))
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
        for name, parameter in terms_of(loaded).items():
            assert torch.equal(parameter, terms_of(nlp)[name])
        assert relations_of(loaded.pipe([doc.copy() for doc in docs])) == expected
        loaded.replace_listeners("transformer", "doc_relation_extractor", ["model.tok2vec"])
        assert relations_of(loaded.pipe([doc.copy() for doc in docs])) == expected

    def test_weights_without_structure(
        self, make_pipeline: Callable, make_examples: Callable, tmp_path: Path
    ) -> None:
        make_pipeline(examples=make_examples(2)).to_disk(tmp_path)
        config = {"components.transformer.model.structure": structure()}
        with pytest.raises(ValueError, match="do not fit the model that its config describes"):
            spacy.load(tmp_path, config=config)


class TestErrors:
    @pytest.mark.parametrize(
        "family, name", [("deberta-v2", "DebertaV2Model"), ("distilbert", "DistilBertModel")]
    )
    def test_unsupported_encoder(
        self, family: str, name: str, make_pipeline: Callable, make_examples: Callable
    ) -> None:
        with pytest.raises(ValueError, match=f"{name} cannot have entity structure.*'bert'"):
            make_pipeline(
                examples=make_examples(1), transformer={"family": family, "structure": structure()}
            )

    def test_entities_after_the_transformer(self, make_structured: Callable, doc: Doc) -> None:
        nlp = make_structured()
        late = Doc(nlp.vocab, words=WORDS)
        with pytest.warns(UserWarning, match="no entities when the transformer reads it.*before"):
            found = nlp.get_pipe("transformer").predict([late]).model_output
        plain = batch_without_structure(nlp, doc).model_output
        assert torch.equal(found["last_hidden_state"], plain["last_hidden_state"])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            nlp.get_pipe("transformer").predict([doc])

    def test_unknown_form(self) -> None:
        with pytest.raises(ValueError, match="form = 'bilinear' is not one of 'biaffine'"):
            make_entity_structure("bilinear")  # type: ignore[arg-type]


def test_other_entities(make_doc: Callable, encoder: Callable) -> None:
    doc = make_doc(WORDS, ENTITIES, sentences=SENTENCES)
    doc.spans["other"] = [doc[2:3]]
    tokenizer = AutoTokenizer.from_pretrained(encoder("bert"))
    windows = fit(tokenizer, [[doc[:]]], tokenize(tokenizer, [[doc[:]]]), 128)
    known = make_entity_structure("biaffine", make_span_group_entities("other"))
    asks = (find_dependencies(known.of_pieces(windows)) != NA).any(2)[0]
    characters = windows.pieces.characters[0][asks.numpy()]
    assert doc.text[characters.min() : characters.max()] == "was"


def test_config_differs_in_the_structure_alone() -> None:
    base = load_config(CONFIGS / "redocred_minilm.cfg")
    merged = base.merge(Config().from_disk(CONFIGS / "systems" / "ssan.cfg"))
    known = merged["components"]["transformer"]["model"].pop("structure")
    assert merged == base
    assert spacy.registry.resolve({"structure": known})["structure"].form == "biaffine"


@pytest.fixture(autouse=True)
def no_structure_is_left() -> Iterator[None]:
    """Calls of a transformer that we do not make know of no structure."""
    yield
    assert ssan._known.get() is None
