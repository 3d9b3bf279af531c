"""SIRE's pairs within and across sentences."""

import pytest
import torch

from spacy_docre.models.systems.sire import SIRE
from tests.models.builders import encoded_document
from tests.models.equations_sire import sire_evidence, sire_logits
from tests.models.systems.behaviour import DOCUMENTS, BehavesAsANetwork, every_document


class TestSIRE(BehavesAsANetwork):
    network = SIRE
    settings = {"width": 5, "layers": 2}
    architecture = "spacy_docre.SIRE.v1"
    naive = staticmethod(sire_logits)

    @every_document
    def test_evidence_agrees_with_naive_loops(self, name: str) -> None:
        document, network = DOCUMENTS[name]._replace(all_sentences=True), self.make()
        evidence = network([document])[0].evidence
        shares = torch.zeros(evidence.shares.shape)
        shares.scatter_(1, evidence.sentences.long(), evidence.shares)
        weights = dict(network.named_parameters())
        expected = torch.stack(list(sire_evidence(document, weights).values()))
        assert torch.allclose(shares.double(), expected, atol=1e-5)

    def test_the_best_three_sentences_are_kept(self) -> None:
        document, network = DOCUMENTS["many sentences"], self.make()
        evidence = network([document])[0].evidence
        expected = torch.stack(
            list(sire_evidence(document, dict(network.named_parameters())).values())
        )
        assert evidence.shares.shape == (36, 3)
        assert torch.allclose(evidence.shares.double(), expected.topk(3).values, atol=1e-5)

    def test_evidence_can_be_learnt(self) -> None:
        network = self.make()
        (scores,) = network([DOCUMENTS["many sentences"]._replace(all_sentences=True)])
        scores.evidence.shares.square().sum().backward()
        assert network.reader.key.weight.grad.abs().max() > 1e-4

    def test_a_pair_within_a_sentence_has_its_evidence_there(self) -> None:
        entities = [[[0], [5]], [[1]], [[4]], [[7]]]
        document = encoded_document([range(8)], entities, sentence_starts=(0, 3, 6))
        evidence = self.make()([document])[0].evidence
        first = evidence.sentences[:, 0].tolist()
        # (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)
        assert first[0] == 0 and first[1] == 1
        assert evidence.shares[:2, 0].tolist() == pytest.approx([1, 1])
        assert (evidence.shares[2:] > 0).all()

    def test_chains_matter(self) -> None:
        """If they did not, the loops could not tell whether they are right."""
        document, network = DOCUMENTS["many sentences"], self.make()
        before = network([document])[0].logits
        torch.nn.init.zeros_(network.chains.weight)
        assert (before - network([document])[0].logits).abs().max() > 0.1
