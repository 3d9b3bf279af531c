"""GAIN's two graphs."""

import torch

from spacy_docre.models.systems.gain import GAIN, link_entities
from tests.models.builders import encoded_document
from tests.models.equations_gain import gain_logits
from tests.models.systems.behaviour import DOCUMENTS, BehavesAsANetwork


class TestGAIN(BehavesAsANetwork):
    network = GAIN
    settings = {"width": 5, "pair_width": 7, "layers": 2}
    architecture = "spacy_docre.GAIN.v1"
    naive = staticmethod(gain_logits)

    def test_paths_matter(self) -> None:
        """If they did not, the loops could not tell whether they are right."""
        document, network = DOCUMENTS["many sentences"], self.make()
        before = network([document])[0].logits
        torch.nn.init.zeros_(network.edge_head.weight)
        assert (before - network([document])[0].logits).abs().max() > 0.1

    def test_there_is_no_evidence(self) -> None:
        document = DOCUMENTS["many sentences"]
        (few,), (all_of_them,) = (
            self.make()([document._replace(all_sentences=wanted)]) for wanted in (False, True)
        )
        assert torch.equal(few.evidence.shares, torch.zeros(36, 3))
        assert torch.equal(all_of_them.evidence.shares, torch.zeros(36, 8))
        assert few.evidence.sentences.shape == (36, 3)


def test_entities_of_one_sentence_are_linked() -> None:
    entities = [[[0], [5]], [[1]], [[4]], [[7]]]
    document = encoded_document([range(8)], entities, sentence_starts=(0, 3, 6))
    linked = {(0, 1), (1, 0), (0, 2), (2, 0)}
    assert {tuple(pair) for pair in link_entities(document).nonzero().tolist()} == linked
