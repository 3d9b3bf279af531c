"""Gold evidence: what the loss on it is, and how it is learnt."""

import math
from typing import Any, Dict, List

import numpy
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam, xp2torch

from spacy_docre import Triple
from spacy_docre.alignment import GoldAlignment
from spacy_docre.annotations import sentence_boundaries
from spacy_docre.losses import make_evidence_loss
from spacy_docre.pairs import Pairs
from spacy_docre.pipeline.evidence import evidence_loss, gold_evidence, sentence_shares
from tests.models import equations
from tests.models.builders import gradient, random_document, with_gradients
from tests.pipeline.helpers import EXTRACTOR, docs_of, network_of

EVIDENCE = {"@misc": "spacy_docre.EvidenceLoss.v1", "weight": 1.0}
WORDS = "Ada Lane was born in Oslo . She left it . It is a town .".split()
SENTENCES = (0, 7, 11)
ENTITIES = [[(0, 2), (7, 8)], [(5, 6), (9, 10), (11, 12)]]


def with_evidence(examples: List[Example]) -> List[Example]:
    """The evidence of a relation are the sentences that mention head and tail."""
    for example in examples:
        doc, triples = example.reference, []
        for relation in doc._.relations:
            ends = [
                {mention.sent.start for mention in e.mentions}
                for e in (relation.head, relation.tail)
            ]
            sentences = [s for s in sentence_boundaries(doc) if s[0] in ends[0] & ends[1]]
            triple = relation.triple
            triples.append(Triple(triple.head, triple.tail, triple.label, evidence=(*sentences,)))
        doc._.relations = triples
    return examples


@pytest.fixture
def make_evidence(make_examples):
    return lambda *arguments, **settings: with_evidence(make_examples(*arguments, **settings))


@pytest.fixture
def make_one(make_example):
    """A document of three sentences, with relations (head, tail, label, evidence)."""

    def make(*triples: Any) -> Example:
        example = make_example(WORDS, ENTITIES, sentences=SENTENCES)
        bounds = sentence_boundaries(example.reference)
        example.reference._.relations = [
            Triple(head, tail, label, evidence=tuple(bounds[index] for index in evidence))
            for head, tail, label, evidence in triples
        ]
        return example

    return make


def align(example: Example) -> GoldAlignment:
    spans = example.predicted.spans["entities"]
    ids = sorted({span.id_ for span in spans})
    return GoldAlignment(example, [[span for span in spans if span.id_ == id_] for id_ in ids])


def no_relation_loss(nlp: Language) -> None:
    """Nothing but evidence is learnt."""
    nlp.get_pipe(EXTRACTOR).loss = lambda logits, labels: logits.sum() * 0.0


def learn(nlp: Language, examples: List[Example]) -> float:
    """The loss of a batch; its gradient is left on the weights."""
    for module in (nlp.get_pipe("transformer").model.transformer, network_of(nlp)):
        module.zero_grad()
    return nlp.update(examples, sgd=False)[EXTRACTOR]


def shares_of(nlp: Language, example: Example) -> Dict[tuple, Dict[int, float]]:
    """The share of each pair (head, tail) on each sentence, as the pipeline predicts."""
    doc = nlp.get_pipe("transformer")(example.predicted.copy())
    document = nlp.get_pipe(EXTRACTOR).entity_policy.choose(doc)
    document.all_sentences = True
    (scores,) = nlp.get_pipe(EXTRACTOR).score_entities([document])
    number, rows = len(document.entities), {}
    unordered = iter(zip(*scores.evidence, strict=True))
    for head in range(number):
        for tail in range(head + 1, number):
            sentences, shares = next(unordered)
            rows[head, tail] = rows[tail, head] = dict(
                zip(sentences.tolist(), shares.tolist(), strict=True)
            )
    return rows


def naive_losses(nlp: Language, example: Example) -> List[float]:
    """KL(v || p) of every pair with evidence; predicted sentences are those of the reference."""
    found: Dict[tuple, set] = {}
    starts = [start for start, _ in sentence_boundaries(example.reference)]
    for relation in example.reference._.relations:
        for sentence in relation.evidence:
            pair = relation.head.index, relation.tail.index
            found.setdefault(pair, set()).add(starts.index(sentence.start))
    shares = shares_of(nlp, example)
    return [
        sum(
            math.log(1 / len(gold)) - math.log(max(shares[pair].get(sentence, 0.0), 1e-5))
            for sentence in gold
        )
        / len(gold)
        for pair, gold in found.items()
    ]


class TestGold:
    def test_union_over_the_relations_of_an_ordered_pair(self, make_one):
        example = make_one((0, 1, "born in", [0]), (0, 1, "left", [1, 0]), (1, 0, "of", [2]))
        assert gold_evidence(align(example)).tolist() == [[True, True, False], [False, False, True]]

    def test_pairs_without_evidence_have_none(self, make_one):
        example = make_one((0, 1, "born in", []), (1, 1, "is", [2]))
        assert not gold_evidence(align(example)).any()

    @pytest.mark.parametrize(
        "starts, expected",
        [
            # The first sentence is cut in the middle, and the larger part counts.
            ((0, 3, 7, 11), [[0, 1, 0, 0], [0, 0, 1, 1]]),
            # Two are one.
            ((0, 11), [[1, 0], [1, 1]]),
            ((0,), [[1], [1]]),
        ],
    )
    def test_other_sentences(self, starts, expected, make_one, make_doc):
        example = make_one((0, 1, "born in", [0]), (1, 0, "of", [1, 2]))
        predicted = make_doc(WORDS, ENTITIES, sentences=starts)
        found = gold_evidence(align(Example(predicted, example.reference)))
        assert found.astype(int).tolist() == expected

    def test_a_sentence_cut_in_two_equal_parts(self, make_doc, make_example):
        words = ["Ada", "Bob", "Cid", "Dan"]
        example = make_example(words, [[(0, 1)], [(3, 4)]], sentences=(0,))
        example.reference._.relations = [Triple(0, 1, "knows", evidence=((0, 4),))]
        predicted = make_doc(words, [[(0, 1)], [(3, 4)]], sentences=(0, 2))
        found = gold_evidence(align(Example(predicted, example.reference)))
        assert found.tolist() == [[True, True], [False, False]]

    def test_other_tokens(self, make_one):
        example = make_one((0, 1, "born in", [0]), (1, 0, "of", [2]))
        words = ["\n", "Ada", "La", "ne", *WORDS[2:5], "Oslo.", *WORDS[7:]]
        starts = [word in ("\n", "She", "It") for word in words]
        predicted = Doc(example.reference.vocab, words=words, sent_starts=starts)
        predicted.spans["entities"] = [
            Span(predicted, 1, 4, span_id="a"),
            Span(predicted, words.index("It"), words.index("It") + 1, span_id="b"),
        ]
        found = gold_evidence(align(Example(predicted, example.reference)))
        assert found.tolist() == [[True, False, False], [False, False, True]]

    def test_no_sentence_boundaries(self, make_one, make_doc):
        example = make_one((0, 1, "born in", [0]))
        example.reference.user_data["title"] = "Oslo"
        bare = Example(make_doc(WORDS, ENTITIES), example.reference)
        with pytest.raises(ValueError, match="'evidence' needs sentence boundaries.*'Oslo'"):
            gold_evidence(align(bare))
        without = make_one((0, 1, "born in", []))
        assert not gold_evidence(align(Example(bare.predicted, without.reference))).any()


class TestLoss:
    def test_it_is_the_equation(self, make_pipeline, make_evidence):
        examples = make_evidence(3)
        nlp = make_pipeline(examples=examples, evidence=EVIDENCE)
        no_relation_loss(nlp)
        expected = [loss for example in examples for loss in naive_losses(nlp, example)]
        assert len(expected) == 12 and min(expected) > 0.01
        assert learn(nlp, examples) == pytest.approx(numpy.mean(expected), rel=1e-4)
        nlp.get_pipe(EXTRACTOR).evidence = make_evidence_loss(0.1)
        assert learn(nlp, examples) == pytest.approx(0.1 * numpy.mean(expected), rel=1e-4)

    def test_it_is_added(self, make_pipeline, make_evidence):
        examples = make_evidence(3)
        nlp = make_pipeline(examples=examples)
        alone = learn(nlp, examples)
        nlp.get_pipe(EXTRACTOR).evidence = make_evidence_loss(0.1)
        both = learn(nlp, examples)
        no_relation_loss(nlp)
        assert both == pytest.approx(alone + learn(nlp, examples), rel=1e-4)

    def test_each_document_as_if_it_were_alone(self, make_pipeline, make_evidence):
        examples = make_evidence(4)
        nlp = make_pipeline(examples=examples, evidence=EVIDENCE)
        no_relation_loss(nlp)
        alone = [learn(nlp, [example]) for example in examples]
        # Each of them has four pairs with evidence.
        assert learn(nlp, examples) == pytest.approx(numpy.mean(alone), rel=1e-4)

    def test_documents_without_evidence_contribute_nothing(
        self, make_pipeline, make_examples, make_evidence
    ):
        examples = make_evidence(2)
        nlp = make_pipeline(examples=examples, evidence=EVIDENCE)
        no_relation_loss(nlp)
        weights = list(nlp.get_pipe("transformer").model.transformer.parameters())
        others = make_examples(2, seed=5)
        assert learn(nlp, others) == 0
        assert not any(w.grad.any() for w in weights if w.grad is not None)
        alone = learn(nlp, examples)
        expected = [None if w.grad is None else w.grad.clone() for w in weights]
        assert learn(nlp, [*others, *examples]) == pytest.approx(alone, rel=1e-5)
        for weight, before in zip(weights, expected, strict=True):
            if before is not None:
                torch.testing.assert_close(weight.grad, before, rtol=1e-3, atol=1e-6)

    def test_without_the_setting_nothing_changes(self, make_pipeline, make_evidence):
        """Nor is there a gradient of shares, which would cost time."""
        examples = make_evidence(2)
        nlp = make_pipeline(examples=examples)
        extractor = nlp.get_pipe(EXTRACTOR)
        nlp.get_pipe("transformer").set_annotations(
            docs_of(examples), nlp.get_pipe("transformer").predict(docs_of(examples))
        )
        _, (_, d_shares) = extractor._differentiate(examples, extractor.predict(docs_of(examples)))
        assert d_shares == [None, None]


class TestGradient:
    def test_shares_reach_the_attention_through_thinc(self, make_pipeline, make_evidence):
        """The gradient that the network hands back is that of the equations."""
        nlp = make_pipeline(examples=make_evidence(2), evidence=EVIDENCE)
        scorer = nlp.get_pipe(EXTRACTOR).model.get_ref("pair_scorer")
        documents = [
            with_gradients(
                random_document(number, seed=number, width=32, sentence_starts=(0, 3, 6, 9))
            )._replace(all_sentences=True)
            for number in (4, 3, 5)
        ]
        theirs = [with_gradients(document) for document in documents]
        found, backprop = scorer(documents, True)
        targets = [torch.rand(len(evidence.shares), 4) for _, evidence in found]
        gradients = []
        for index, ((logits, evidence), target) in enumerate(zip(found, targets, strict=True)):
            kept = xp2torch(evidence.shares).requires_grad_()
            shares = torch.zeros(target.shape).scatter(1, xp2torch(evidence.sentences).long(), kept)
            (d_shares,) = torch.autograd.grad((shares * target).sum(), kept)
            # The second has nothing to learn of its sentences.
            gradients.append((numpy.zeros_like(logits), None if index == 1 else d_shares.numpy()))
        backward = backprop(gradients)
        for index, (document, target) in enumerate(zip(theirs, targets, strict=True)):
            expected = torch.stack(list(equations.pair_evidence(document).values()))
            (expected * target).sum().backward()
            d_hidden, d_attention = backward[index]
            assert not numpy.any(d_hidden)
            wanted = gradient(document.attention) * (index != 1)
            assert wanted.any() == (index != 1)
            torch.testing.assert_close(torch.tensor(d_attention), wanted, rtol=1e-3, atol=1e-4)

    def test_gradient_of_the_transformer_by_finite_differences(self, make_pipeline, make_evidence):
        examples = make_evidence(2)
        nlp = make_pipeline(examples=examples, evidence=EVIDENCE)
        no_relation_loss(nlp)
        assert learn(nlp, examples) > 0
        weights = [
            weight
            for weight in nlp.get_pipe("transformer").model.transformer.parameters()
            if weight.grad is not None
        ]
        gradients = [weight.grad.clone() for weight in weights]
        size = torch.stack([g.square().sum() for g in gradients]).sum().sqrt().item()
        assert size > 0.1
        step, losses = 2e-3, []
        for sign in (1, -2):
            with torch.no_grad():
                for weight, g in zip(weights, gradients, strict=True):
                    weight += sign * step * g / size
            losses.append(learn(nlp, examples))
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(size, rel=0.02)

    def test_a_network_without_shares(self, make_pipeline, make_evidence):
        examples = make_evidence(2)
        nlp = make_pipeline(examples=examples, evidence=EVIDENCE, model={"context_pooling": None})
        with pytest.raises(ValueError, match="Evidence cannot be learnt.*context_pooling"):
            nlp.update(examples)

    def test_scores_of_a_prediction(self, make_pipeline, make_evidence):
        examples = make_evidence(2)
        nlp = make_pipeline(examples=examples, evidence=EVIDENCE)
        extractor = nlp.get_pipe(EXTRACTOR)
        docs = [nlp.get_pipe("transformer")(example.predicted) for example in examples]
        with pytest.raises(ValueError, match="hold the evidence of 3 sentences of"):
            extractor.get_loss(examples, extractor.predict(docs))


class TestLearning:
    def test_attention_moves_to_the_evidence(self, make_pipeline, make_evidence, train_step):
        examples = make_evidence(6)
        shares = {}
        for name, evidence in (("without", None), ("with", EVIDENCE)):
            nlp = make_pipeline(examples=examples, evidence=evidence, learn_rate_factor=10.0)
            optimizer = Adam(0.0005)
            losses = [train_step(nlp, examples, optimizer)[EXTRACTOR] for _ in range(60)]
            assert losses[-1] < 0.5 * losses[0]
            shares[name] = numpy.mean(
                [math.exp(-loss) for example in examples for loss in naive_losses(nlp, example)]
            )
        # The evidence of each pair is one sentence: e^-KL is the share on it.
        assert shares["with"] > 0.9 > shares["without"] + 0.1

    def test_no_relation_has_evidence(self, make_pipeline, make_examples):
        with pytest.raises(ValueError, match="'evidence' is set, but no relation.*evidence = null"):
            make_pipeline(examples=make_examples(2), evidence=EVIDENCE)

    def test_config(self, make_pipeline, make_evidence, tmp_path):
        """It is kept, and a config of an earlier version has none."""
        nlp = make_pipeline(examples=make_evidence(2), evidence=EVIDENCE)
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
        assert loaded.config["components"][EXTRACTOR]["evidence"] == EVIDENCE
        assert learn(loaded, make_evidence(2)) == pytest.approx(learn(nlp, make_evidence(2)))
        config = (tmp_path / "config.cfg").read_text("utf8")
        section = f"[components.{EXTRACTOR}.evidence]"
        before, _, after = config.partition(section)
        (tmp_path / "config.cfg").write_text(before + after[after.index("[") :])
        old = spacy.load(tmp_path)
        assert old.get_pipe(EXTRACTOR).evidence is None


def test_shares_are_sentence_by_sentence(make_pipeline, make_evidence):
    """Of (head, tail) as of (tail, head)."""
    (example,) = examples = make_evidence(1)
    nlp = make_pipeline(examples=examples)
    doc = nlp.get_pipe("transformer")(example.predicted)
    document = nlp.get_pipe(EXTRACTOR).entity_policy.choose(doc)
    document.all_sentences = True
    (scores,) = nlp.get_pipe(EXTRACTOR).score_entities([document])
    table = sentence_shares(scores, xp2torch(scores.evidence.shares))
    number = len(document.entities)
    for (head, tail), shares in shares_of(nlp, example).items():
        row = table[Pairs.row(head, tail, number)]
        assert row.tolist() == pytest.approx([shares[index] for index in range(len(row))])


def test_a_batch_without_evidence(make_one):
    example = make_one((0, 1, "born in", []))
    found = evidence_loss(make_evidence_loss(), [torch.rand(2, 3)], [align(example)])
    assert found.item() == 0
