"""Which transformer the relation extractor hears, and what happens to tokens in between."""

import pickle
from typing import Callable, Dict, Tuple

import pytest
import spacy
from spacy.language import Language
from spacy.pipeline.functions import merge_entities
from spacy.tokens import Doc, DocBin
from spacy.util import filter_spans
from thinc.api import SGD
from transformers.utils.generic import ModelOutput

from spacy_docre.models.listener import AttentionListener
from tests.conftest import EXTRACTOR, STOCK

NAME = "doc_relation_extractor"
WORDS = "Ada Lane was born in Oslo . Later she worked for Acme Works in New Haven .".split()
MENTIONS = [[(0, 2)], [(5, 6)], [(11, 13)], [(14, 16)]]


@Language.component("test_split_words")
def split(doc: Doc) -> Doc:
    with doc.retokenize() as retokenizer:
        for token in doc:
            if token.text in ("born", "worked", "Works"):
                texts = [token.text[:2], token.text[2:]]
                retokenizer.split(token, texts, [(token, 1), token])
    return doc


@Language.component("test_as_many_tokens")
def merge_and_split(doc: Doc) -> Doc:
    """The same number of tokens, which are others."""
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[2:4])
        token = doc[9]
        retokenizer.split(token, [token.text[:2], token.text[2:]], [(token, 1), token])
    return doc


@pytest.fixture
def make_text(make_doc: Callable) -> Callable[[Language], Doc]:
    """Makes a Doc whose entities are in doc.ents, which follow its tokens."""

    def make(nlp: Language) -> Doc:
        doc = make_doc(WORDS, MENTIONS, sentences=[0, 7], vocab=nlp.vocab)
        doc.ents = list(doc.spans["entities"])
        del doc.spans["entities"]
        return doc

    return make


def scores(doc: Doc) -> Dict[Tuple[str, str, str], float]:
    return {(r.head.text, r.label_, r.tail.text): r.score for r in doc._.relations}


class TestTokensThatChange:
    @pytest.fixture(scope="class")
    def folder(self, make_pipeline: Callable, make_examples: Callable, tmp_path_factory):
        """Windows whose ends fall into what is merged."""
        nlp = make_pipeline(
            examples=make_examples(2),
            threshold=0.0,
            transformer={"family": "roberta", "window": 12, "stride": 5},
        )
        folder = tmp_path_factory.mktemp("pipeline")
        nlp.to_disk(folder)
        return folder

    @pytest.mark.parametrize("name", ["merge_entities", "test_split_words", "test_as_many_tokens"])
    def test_after_the_transformer(self, name: str, folder, make_text: Callable) -> None:
        nlp = spacy.load(folder)
        expected = nlp(make_text(nlp))
        assert len(scores(expected)) == 4 * 3 * 3
        nlp.add_pipe(name, after="transformer")
        found = nlp(make_text(nlp))
        assert [token.text for token in found] != WORDS
        assert scores(found) == pytest.approx(scores(expected), abs=1e-5)
        evidence = [
            [{span.text for span in relation.evidence} for relation in doc._.relations]
            for doc in (found, expected)
        ]
        assert evidence[0] == evidence[1]

    def test_before_the_transformer(self, folder, make_text: Callable) -> None:
        nlp = spacy.load(folder)
        nlp.add_pipe("test_split_words", first=True)
        assert len(nlp(make_text(nlp))._.relations) == 4 * 3 * 3

    def test_after_the_extractor(self, folder, make_text: Callable) -> None:
        """What is stored counts tokens."""
        nlp = spacy.load(folder)
        nlp.add_pipe("test_split_words", last=True)
        with pytest.raises(ValueError, match="stored on this Doc for .* tokens"):
            list(nlp(make_text(nlp))._.relations)

    def test_stored_in_between(self, folder, make_text: Callable) -> None:
        nlp = spacy.load(folder)
        expected = scores(nlp(make_text(nlp)))
        doc = nlp.get_pipe("transformer")(make_text(nlp))
        stored = DocBin(store_user_data=True, docs=[doc]).to_bytes()
        (doc,) = DocBin(store_user_data=True).from_bytes(stored).get_docs(nlp.vocab)
        found = nlp.get_pipe(NAME)(merge_and_split(doc))
        assert scores(found) == pytest.approx(expected, abs=1e-5)

    def test_what_an_earlier_version_stored(self, folder, make_text: Callable) -> None:
        nlp = spacy.load(folder)
        expected = scores(nlp(make_text(nlp)))
        for retokenize in (False, True):
            doc = nlp.get_pipe("transformer")(make_text(nlp))
            output = doc._.trf_data.model_output
            doc._.trf_data.model_output = ModelOutput(
                last_hidden_state=output["last_hidden_state"],
                last_attention=output["last_attention"],
            )
            if not retokenize:
                assert scores(nlp.get_pipe(NAME)(doc)) == pytest.approx(expected, abs=1e-5)
        with pytest.raises(ValueError, match="17 when the transformer read.*merge_entities"):
            nlp.get_pipe(NAME)(merge_entities(doc))

    def test_data_of_another_text(self, folder, make_text: Callable) -> None:
        nlp = spacy.load(folder)
        doc = nlp.get_pipe("transformer")(make_text(nlp))
        other = Doc(nlp.vocab, words=[*WORDS[:-2], "!", "?"], user_data=doc.user_data)
        other.spans["entities"] = [other[0:2], other[5:6]]
        with pytest.raises(ValueError, match="copied from another Doc"):
            nlp.get_pipe(NAME)(other)

    @pytest.mark.parametrize("frozen", [False, True])
    def test_in_training(self, frozen: bool, folder, make_examples: Callable) -> None:
        nlp = spacy.load(folder)
        nlp.add_pipe("merge_entities", after="transformer")
        annotates = ["merge_entities", *(["transformer"] if frozen else [])]
        exclude = ["transformer"] if frozen else []
        losses = []
        for _ in range(6):
            examples = make_examples(2, vocab=nlp.vocab)
            for example in examples:
                example.predicted.ents = filter_spans(example.predicted.spans["entities"])
                del example.predicted.spans["entities"]
            found = nlp.update(examples, sgd=SGD(0.05), annotates=annotates, exclude=exclude)
            losses.append(found[NAME])
        assert losses[-1] < losses[0]

    def test_other_documents_in_training(self, folder, make_examples: Callable) -> None:
        nlp = spacy.load(folder)
        first, second = make_examples(2, vocab=nlp.vocab)
        nlp.get_pipe("transformer").update([first])
        with pytest.raises(ValueError, match="other documents than its transformer"):
            nlp.get_pipe(NAME).update([second])


class TestTwoTransformers:
    @pytest.fixture
    def make(self, make_pipeline: Callable, make_examples: Callable, transformer_config: Callable):
        def add(nlp: Language, name: str = "second", architecture: str = "", **position) -> None:
            config = transformer_config(**({"architecture": architecture} if architecture else {}))
            nlp.add_pipe("transformer", name=name, config=config, **position)
            nlp.get_pipe(name).initialize(lambda: make_examples(1), nlp=nlp)

        def make(upstream: str = "*") -> Tuple[Language, Callable]:
            tok2vec = {**EXTRACTOR["model"]["tok2vec"], "upstream": upstream}
            nlp = make_pipeline(
                examples=make_examples(2), threshold=0.0, model={"tok2vec": tok2vec}
            )
            return nlp, add

        return make

    def test_one_that_is_named(self, make: Callable, make_examples: Callable) -> None:
        nlp, add = make("transformer")
        add(nlp, before=NAME)
        (example,) = make_examples(1)
        with pytest.raises(ValueError, match="'transformer', 'second'.*upstream ="):
            nlp(example.predicted)

    @pytest.mark.parametrize("where", [{"first": True}, {"last": True}])
    def test_one_that_is_named_and_stands_last(
        self, where: Dict, make: Callable, make_examples: Callable
    ) -> None:
        nlp, add = make("transformer")
        (example,) = make_examples(1)
        expected = scores(nlp(example.predicted.copy()))
        add(nlp, **where)
        assert scores(nlp(example.predicted.copy())) == pytest.approx(expected, abs=1e-5)

    def test_a_copy_of_the_one_that_is_named(self, make: Callable, make_examples: Callable) -> None:
        nlp, _ = make("transformer")
        (example,) = make_examples(1)
        expected = scores(nlp(example.predicted.copy()))
        nlp.get_pipe("transformer").model = nlp.get_pipe("transformer").model.copy()
        assert scores(nlp(example.predicted.copy())) == pytest.approx(expected, abs=1e-5)

    def test_a_name_that_none_has(self, make: Callable, make_examples: Callable, tmp_path) -> None:
        nlp, add = make("transformer")
        (example,) = make_examples(1)
        expected = scores(nlp(example.predicted.copy()))
        nlp.to_disk(tmp_path)
        upstream = "components.doc_relation_extractor.model.tok2vec.upstream"
        with pytest.warns(UserWarning, match="listens to 'transfromer'.* has 'transformer'"):
            nlp = spacy.load(tmp_path, config={upstream: "transfromer"})
        assert scores(nlp(example.predicted.copy())) == pytest.approx(expected, abs=1e-5)
        add(nlp, before=NAME)
        with pytest.raises(ValueError, match="two have written.*listens to 'transfromer'"):
            nlp(example.predicted)

    @pytest.mark.filterwarnings("ignore:The relation extractor listens to")
    def test_a_name_that_none_has_in_training(self, make: Callable) -> None:
        with pytest.raises(ValueError, match="no component 'transfromer' to listen to"):
            make("transfromer")

    def test_any(self, make: Callable, make_examples: Callable, tmp_path) -> None:
        nlp, add = make()
        add(nlp, before=NAME)
        (example,) = make_examples(1)
        nlp.to_disk(tmp_path)
        for pipeline in (nlp, spacy.load(tmp_path)):
            with pytest.raises(ValueError, match="'transformer', 'second'.*upstream ="):
                pipeline(example.predicted.copy())

    def test_a_stock_one_overwrites(self, make: Callable, make_examples: Callable) -> None:
        nlp, add = make()
        add(nlp, architecture=STOCK, before=NAME)
        (example,) = make_examples(1)
        with pytest.raises(ValueError, match="no attention.*'transformer', 'second'"):
            nlp(example.predicted)

    def test_a_stock_one_before(self, make: Callable, make_examples: Callable) -> None:
        nlp, add = make()
        (example,) = make_examples(1)
        expected = scores(nlp(example.predicted.copy()))
        add(nlp, architecture=STOCK, first=True)
        assert scores(nlp(example.predicted)) == pytest.approx(expected, abs=1e-5)

    def test_both_in_training(self, make: Callable, make_examples: Callable) -> None:
        nlp, add = make()
        add(nlp, before=NAME)
        with pytest.raises(ValueError, match="'transformer', 'second'.*upstream ="):
            nlp.update(make_examples(2))

    def test_output_that_is_deleted(self, make: Callable, make_examples: Callable) -> None:
        nlp, _ = make()
        nlp.add_pipe("doc_cleaner", config={"attrs": {"_.trf_data": None}}, before=NAME)
        (example,) = make_examples(1)
        with pytest.raises(ValueError, match="doc_cleaner"):
            nlp(example.predicted)


def test_copies_know_no_pipeline() -> None:
    listener = AttentionListener("*")
    listener.connect(spacy.blank("en"))
    copied = pickle.loads(pickle.dumps(listener))
    assert copied.upstream_name == "*"
