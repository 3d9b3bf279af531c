"""From Docs and TransformerData to `EncodedDocument`: which piece belongs where."""

from typing import List, Literal, Optional, Sequence, Tuple

import numpy
import torch
from spacy.tokens import Doc, Span
from spacy_transformers.data_classes import TransformerData
from thinc.api import to_numpy, xp2torch
from thinc.types import Floats4d

from ..annotations import sentence_boundaries
from ..entity_sources import EntityDoc
from .attention import attention_of
from .encoded_document import EncodedDocument

MentionPooling = Literal["mean", "first"]


def encode_document(
    document: EntityDoc,
    data: TransformerData,
    *,
    device: torch.device,
    is_train: bool,
    mention_pooling: MentionPooling = "mean",
    special_tokens: bool = False,
) -> EncodedDocument:
    """Bring together what the encoder says of a Doc and where its mentions are.

    document (EntityDoc): The Doc, with at least one token, and its entities.
    data (TransformerData): The transformer's output for it.
    device (torch.device): Where the tensors are wanted.
    is_train (bool): Whether gradients of hidden states and attention are wanted.
    mention_pooling (MentionPooling): Whether a mention has all its pieces, or the first.
    special_tokens (bool): Whether special tokens are positions, too.
    RETURNS (EncodedDocument): The document.
    RAISES (ValueError): If the transformer gave no attention, or the Doc was twice in its
        batch.
    """
    attention = _require_attention(data)
    hidden = data.model_output["last_hidden_state"]
    windows, length = hidden.shape[:2]
    pieces = numpy.asarray(data.align.dataXd).reshape(-1)
    lengths = numpy.asarray(data.align.lengths)
    _require_one_doc(document.doc, pieces)
    piece_positions, position_tokens = _positions(pieces, lengths, windows, length)
    sentences = _token_sentences(document.doc)[position_tokens]
    if special_tokens:
        attended = numpy.asarray(to_numpy(data.wordpieces.attention_mask)).reshape(-1) > 0
        special = numpy.flatnonzero(attended & (piece_positions < 0))
        piece_positions[special] = len(sentences) + numpy.arange(len(special))
        sentences = numpy.concatenate([sentences, numpy.full(len(special), -1)])
    mention_pieces, piece_mentions = _mention_pieces(
        document.entities, pieces, lengths, length if mention_pooling == "first" else None
    )

    def index(array: numpy.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, dtype=torch.long, device=device)

    return EncodedDocument(
        hidden=xp2torch(hidden, requires_grad=is_train, device=device),
        attention=xp2torch(attention, requires_grad=is_train, device=device),
        piece_positions=index(piece_positions),
        num_positions=len(sentences),
        mention_pieces=index(mention_pieces),
        piece_mentions=index(piece_mentions),
        mention_entities=index(
            numpy.repeat(
                numpy.arange(len(document.entities)),
                [len(mentions) for mentions in document.entities],
            )
        ),
        num_entities=len(document.entities),
        position_sentences=index(sentences),
        num_sentences=len(sentence_boundaries(document.doc)),
    )


def _require_one_doc(doc: Doc, pieces: numpy.ndarray) -> None:
    if len(pieces) and pieces.min() < 0:
        raise ValueError(
            f"The word pieces of the document that begins {doc[:5].text!r} are misplaced: "
            "the same Doc object is twice in a batch. Give doc.copy() the second time."
        )


def _require_attention(data: TransformerData) -> Floats4d:
    if not isinstance(data, TransformerData):
        raise ValueError(
            "The relation extractor needs word pieces and their attention, and was given token "
            "vectors. Set [components.doc_relation_extractor.model.tok2vec] to @architectures = "
            '"spacy_docre.TransformerListener.v1".'
        )
    attention = attention_of(data)
    if attention is None:
        raise ValueError(
            "The relation extractor needs the attention of the transformer's last layer, "
            "and the transformer gave none. Put a 'transformer' component before the "
            "relation extractor, and set [components.transformer.model] to @architectures = "
            '"spacy_docre.TransformerModel.v1". In training, a transformer whose annotations '
            "are used is among the annotating_components. A Doc that has been annotated "
            "already has lost its attention: run the whole pipeline on it again. A second "
            "relation extractor needs a transformer of its own: nlp.replace_listeners()."
        )
    return attention


def _positions(
    pieces: numpy.ndarray, lengths: numpy.ndarray, windows: int, length: int
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Number the word pieces of a document through its overlapping windows.

    The k-th piece of a token is one position, in all windows that hold the token.

    pieces (numpy.ndarray): Indices into the flattened windows, token by token, shape
        (aligned pieces,).
    lengths (numpy.ndarray): The number of `pieces` of each token, shape (tokens,).
    windows (int): Number of windows.
    length (int): Pieces in a window.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): The position of each piece of the
        flattened windows, -1 for none, shape (windows * pieces,), and the token of each
        position, shape (positions,).
    """
    tokens = numpy.repeat(numpy.arange(len(lengths)), lengths)
    # Pieces of one token in one window follow each other: their rank is the distance from
    # the first of them.
    runs = tokens * windows + pieces // length
    starts = numpy.flatnonzero(numpy.r_[True, runs[1:] != runs[:-1]])
    counts = numpy.diff(numpy.r_[starts, len(runs)])
    ranks = numpy.arange(len(runs)) - numpy.repeat(starts, counts)
    # A piece that lies in two tokens belongs to the first.
    used, first = numpy.unique(pieces, return_index=True)
    ranked, positions = numpy.unique(
        tokens[first] * (length + 1) + ranks[first], return_inverse=True
    )
    piece_positions = numpy.full(windows * length, -1)
    piece_positions[used] = positions
    return piece_positions, ranked // (length + 1)


def _mention_pieces(
    entities: Sequence[Sequence[Span]],
    pieces: numpy.ndarray,
    lengths: numpy.ndarray,
    window: Optional[int],
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """The pieces of every mention, in all windows, and the mention each belongs to. Given the
    length of a window, only the first piece in each window that the mention begins in."""
    ends = numpy.r_[0, numpy.cumsum(lengths)]
    found: List[numpy.ndarray] = []
    for span in (span for mentions in entities for span in mentions):
        mention = pieces[ends[span.start] : ends[span.end]]
        if window is not None and len(mention):
            # White space has no pieces.
            begins = span.start + numpy.flatnonzero(lengths[span.start : span.end])[0]
            mention = pieces[ends[begins] : ends[begins + 1]]
            mention = mention[numpy.unique(mention // window, return_index=True)[1]]
        found.append(mention)
    counts = [len(mention) for mention in found]
    return numpy.concatenate(found), numpy.repeat(numpy.arange(len(found)), counts)


def _token_sentences(doc: Doc) -> numpy.ndarray:
    """The sentence of each token."""
    boundaries = sentence_boundaries(doc)
    return numpy.repeat(numpy.arange(len(boundaries)), [end - start for start, end in boundaries])
