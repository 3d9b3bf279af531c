"""How many documents are scored at once."""

from itertools import pairwise

import pytest

from spacy_docre.pipeline import batching
from tests.pipeline.helpers import (
    EXTRACTOR,
    docs_of,
    scores_of,
)


class TestBatches:
    def test_batches_do_not_matter(self, all_scores, make_examples, make_example):
        """Nor does what else is in them."""
        examples = [*make_examples(4), make_example([]), make_example(["Oslo"]), *make_examples(9)]
        expected = [scores_of(all_scores(doc)) for doc in docs_of(examples)]
        assert sum(len(scores) for scores in expected) > 500
        for batch_size in (1, 3, 15):
            examples = [
                *make_examples(4),
                make_example([]),
                make_example(["Oslo"]),
                *make_examples(9),
            ]
            for doc, scores in zip(
                all_scores.pipe(docs_of(examples), batch_size=batch_size), expected, strict=True
            ):
                assert scores_of(doc) == pytest.approx(scores, abs=1e-5)

    @pytest.mark.parametrize("most", [1, 90, 400])
    def test_number_of_pairs_at_once(self, most, all_scores, make_examples, monkeypatch):
        expected = [scores_of(doc) for doc in all_scores.pipe(docs_of(make_examples(5)))]
        monkeypatch.setattr(batching, "MAX_PAIRS", most)
        batches = []
        model = all_scores.get_pipe(EXTRACTOR).model
        forward = model._func

        def spy(model, documents, is_train):
            counts = [len(document.entities) for document in documents]
            batches.append([count * (count - 1) for count in counts])
            return forward(model, documents, is_train)

        monkeypatch.setattr(model, "_func", spy)
        docs = list(all_scores.pipe(docs_of(make_examples(5))))
        assert sum(map(len, batches)) == 5
        assert all(len(pairs) == 1 or sum(pairs) <= most for pairs in batches)
        for pairs, following in pairwise(batches):
            assert sum(pairs) + following[0] > most
        for doc, scores in zip(docs, expected, strict=True):
            assert scores_of(doc) == pytest.approx(scores, abs=1e-5)


def test_the_same_doc_twice_in_a_batch(loaded, make_examples):
    doc = make_examples(1)[0].predicted
    with pytest.raises(ValueError, match=r"twice in a batch. Give doc.copy\(\)"):
        list(loaded.pipe([doc, doc]))
