"""The base class of networks that score the pairs of a document: KD-DocRE and the other systems."""

from typing import ClassVar, List

from torch import nn

from .encoded_document import EncodedDocument
from .slots import DocumentScores


class Network(nn.Module):
    """Scores every ordered pair of entities of a document in every relation.

    Its arguments are `hidden_width`, the width of the encoder, `num_relations`, without TH, and the
    settings of the subclass.

    classifier (nn.Linear): The last layer. It has a row of weights and a bias for TH, and after it
        for each relation. It grows if relations are added.
    first_weight (str): The name of a weight whose last dimension is the width of the encoder. The
        width of a stored network is read from it.
    """

    classifier: nn.Linear
    first_weight: ClassVar[str]

    def forward(self, documents: List[EncodedDocument]) -> List[DocumentScores]:
        """Score the pairs of documents. The scores of each are those of the document alone, to the
        last digit.

        documents (List[EncodedDocument]): The documents, each with at least two entities.
        RETURNS (List[DocumentScores]): Logits and evidence of each.
        """
        return [self.score(document) for document in documents]

    def score(self, document: EncodedDocument) -> DocumentScores:
        """Score the pairs of one document.

        document (EncodedDocument): The document, with at least two entities.
        RETURNS (DocumentScores): Logits and evidence.
        """
        raise NotImplementedError
