"""Scores to triples: threshold, number of relations, evidence."""

import warnings
from itertools import permutations
from typing import Sequence, Set

import numpy
import pytest
import torch
from spacy.tokens import Doc, Span

from spacy_docre import Entity
from spacy_docre.entity_sources import EntityDoc
from spacy_docre.models.extractor import PairScores
from spacy_docre.models.slots import Evidence
from spacy_docre.pairs import ScoredPairs
from spacy_docre.pipeline import decoding
from spacy_docre.pipeline.decoding import decode
from tests.pipeline.helpers import (
    EXTRACTOR,
    LABELS,
    network_of,
    scores_of,
)


class TestSettings:
    def test_threshold(self, all_scores, make_examples):
        everything = scores_of(all_scores(make_examples(1)[0].predicted))
        for threshold in (0.001, 0.5, 0.99):
            all_scores.get_pipe(EXTRACTOR).cfg["threshold"] = threshold
            found = scores_of(all_scores(make_examples(1)[0].predicted))
            expected = {key for key, score in everything.items() if score > threshold}
            assert set(found) == expected
            assert expected

    def test_a_threshold_that_is_asked_for(self, trained, make_examples):
        """As an evaluation does, which wants what is less probable, too."""
        extractor = trained.get_pipe(EXTRACTOR)
        doc = trained.get_pipe("transformer")(make_examples(1)[0].predicted)
        (scores,) = extractor.predict([doc])
        everything = extractor.decode(scores, threshold=0.0)
        assert len(everything) == scores.logits[:, 1:].size
        for threshold in (0.001, 0.5, 0.99):
            found = extractor.decode(scores, threshold)
            assert found == [triple for triple in everything if triple.score > threshold]
            assert 0 < len(found) < len(everything)
        assert extractor.decode(scores) == extractor.decode(scores, 0.5)

    def test_a_probability_that_is_the_threshold(self, make_doc):
        """It is not above it: at 0.5 a logit as high as TH's is no relation."""
        doc = make_doc(["Ada", "Oslo"], [[(0, 1)], [(1, 2)]])
        mentions = [[doc[0:1]], [doc[1:2]]]
        below, above = numpy.nextafter(numpy.float32(1), [0, 2], dtype="f")
        logits = numpy.asarray([[1, 1, below, above], [0, 0, -1, 1]], dtype="f")
        evidence = Evidence(numpy.zeros((1, 1), dtype="i"), numpy.ones((1, 1), dtype="f"))
        scores = PairScores(EntityDoc(doc, mentions), ScoredPairs.all_of(2), logits, evidence)
        found = decode(scores, ["equal", "below", "above"], {}, 0.5, None)
        assert [(triple.head, triple.label) for triple in found] == [(0, "above"), (1, "above")]
        highest = found[1].score
        assert decode(scores, ["equal", "below", "above"], {}, highest, None) == []
        assert len(decode(scores, ["equal", "below", "above"], {}, highest - 1e-9, None)) == 1

    def test_few_pairs_at_a_time(self, all_scores, make_examples, monkeypatch):
        """The scores of a document with many are never held in float64 at once."""
        for top_k in (None, 2):
            all_scores.get_pipe(EXTRACTOR).cfg["top_k"] = top_k
            whole = all_scores(make_examples(1)[0].predicted)._.relations
            with monkeypatch.context() as context:
                context.setattr(decoding, "_ROWS", 5)
                parts = all_scores(make_examples(1)[0].predicted)._.relations
            assert [r.triple for r in parts] == [r.triple for r in whole]

    def test_top_k(self, all_scores, make_examples):
        extractor = all_scores.get_pipe(EXTRACTOR)
        doc = all_scores.get_pipe("transformer")(make_examples(1)[0].predicted)
        (prediction,) = extractor.predict([doc])
        number = len(prediction.document.entities)
        for top_k in (1, 2, 3, 97):
            extractor.cfg["top_k"] = top_k
            extractor.set_annotations([doc], [prediction])
            expected = {
                (head, tail, LABELS[label])
                for (head, tail), logits in zip(
                    permutations(range(number), 2), prediction.logits, strict=True
                )
                for label in (-logits[1:]).argsort()[:top_k]
            }
            assert set(scores_of(doc)) == expected

    @pytest.mark.parametrize(
        "settings, message",
        [
            ({"threshold": 1.5}, "threshold = 1.5 is not a probability"),
            ({"threshold": -0.1}, "threshold = -0.1 is not a probability"),
            ({"top_k": 0}, "top_k = 0 annotates nothing"),
        ],
    )
    def test_out_of_range(self, settings, message, make_pipeline):
        with pytest.raises(ValueError, match=message):
            make_pipeline(**settings)

    @pytest.mark.parametrize("bias", [500, -500])
    def test_score_of_a_large_margin(self, bias, all_scores, make_examples):
        """It is still a probability between 0 and 1, and no number overflows."""
        with torch.no_grad():
            network_of(all_scores).classifier.bias[0] = bias
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scores = scores_of(all_scores(make_examples(1)[0].predicted)).values()
        assert scores
        assert all(0 < score < 1e-6 if bias > 0 else 1 - 1e-6 < score < 1 for score in scores)


def sentences_of(entity: Entity, sentences: Sequence[Span]) -> Set[int]:
    """The sentences that mention an entity."""
    return {sentences.index(mention.sent) for mention in entity.mentions}


class TestEvidence:
    def test_sentences_most_first(self, all_scores, make_examples):
        several = 0
        for example in make_examples(6):
            doc = all_scores(example.predicted)
            (prediction,) = all_scores.get_pipe(EXTRACTOR).predict(
                [all_scores.get_pipe("transformer")(doc.copy())]
            )
            sentences = list(doc.sents)
            evidence = numpy.zeros((len(prediction.evidence.shares), len(sentences)))
            numpy.put_along_axis(evidence, *prediction.evidence, axis=1)
            # Entities that share no window share no attention.
            assert all(share == 0 or 0.5 < share < 1.0001 for share in evidence.sum(axis=1))
            shares = {}
            number = len(doc._.entities)
            pairs = [(head, tail) for head in range(number) for tail in range(head + 1, number)]
            for (head, tail), share in zip(pairs, evidence, strict=True):
                shares[head, tail] = shares[tail, head] = share
            for relation in doc._.relations:
                indices = [sentences.index(sentence) for sentence in relation.evidence]
                of_pair = shares[relation.head.index, relation.tail.index]
                enough = min(0.3, of_pair.max())
                attended = numpy.flatnonzero((of_pair >= enough) & (of_pair > 0)).tolist()
                first, others = indices[: len(attended)], indices[len(attended) :]
                assert first == sorted(attended, key=lambda index: -of_pair[index])
                several += len(first) > 1
                # A sentence for each entity that those attended to do not mention.
                assert (
                    len(others)
                    == sum(
                        not set(attended) & sentences_of(entity, sentences)
                        for entity in (relation.head, relation.tail)
                    )
                    or len(others) == 1
                )
        assert several

    def test_head_and_tail_are_both_there(self, all_scores, make_examples):
        added = 0
        for example in make_examples(6):
            doc = all_scores(example.predicted)
            sentences = list(doc.sents)
            for relation in doc._.relations:
                found = {sentences.index(sentence) for sentence in relation.evidence}
                assert len(found) == len(relation.evidence)
                sides = [sentences_of(side, sentences) for side in (relation.head, relation.tail)]
                assert all(found & side for side in sides)
                added += not sides[0] & sides[1]
        assert added

    @pytest.mark.parametrize(
        "attention, head, tail, expected",
        [
            ({4: 0.9, 1: 0.1}, {4}, {4}, [4]),
            ({1: 0.6, 2: 0.3, 3: 0.1}, {1}, {2}, [1, 2]),
            ({1: 0.2, 2: 0.1, 3: 0.1}, {1}, {1}, [1]),
            # The nearest, where no attention is on those that mention it.
            ({4: 0.9, 0: 0.1}, {1, 3, 9}, {4}, [4, 3]),
            ({2: 0.5, 7: 0.5}, {5}, {9, 1}, [2, 7, 5, 1]),
            ({0: 1.0}, {3}, {3}, [0, 3]),
            ({}, {1, 8}, {5, 9}, [8, 9]),
            ({}, {6, 2}, {2}, [2]),
            ({}, set(), {2}, [2]),
            # The one that is attended to, though another is nearer.
            ({4: 0.9, 9: 0.1}, {1, 3, 9}, {4}, [4, 9]),
            ({4: 0.8, 1: 0.2}, {4}, {1, 5}, [4, 1]),
        ],
    )
    def test_a_mention_that_is_not_attended_to(self, attention, head, tail, expected):
        assert decoding._choose_evidence(attention, head, tail) == expected

    def test_padding_is_no_sentence(self, all_scores, make_examples):
        """A passage of few sentences has rows of zeros among those of longer passages."""
        extractor, attended = all_scores.get_pipe(EXTRACTOR), 0
        for example in make_examples(6):
            doc = all_scores.get_pipe("transformer")(example.predicted)
            (prediction,) = extractor.predict([doc])
            before = extractor.decode(prediction)
            attended += (prediction.evidence.sentences == 0).sum()
            padded = (numpy.pad(part, ((0, 0), (0, 2))) for part in prediction.evidence)
            prediction.evidence = Evidence(*padded)
            assert extractor.decode(prediction) == before
        assert attended

    def test_no_sentence_boundaries(self, trained, make_examples, make_doc):
        (example,) = make_examples(1)
        doc = Doc(trained.vocab, words=[token.text for token in example.predicted])
        doc.spans["entities"] = [
            Span(doc, span.start, span.end, span_id=span.id_)
            for span in example.predicted.spans["entities"]
        ]
        doc = trained(doc)
        assert doc._.relations
        assert all(relation.evidence == () for relation in doc._.relations)
