"""From Docs and TransformerData to `EncodedDocument`: the position, mention and sentence of each
piece."""

import warnings
from typing import List, Literal, Optional, Sequence, Tuple

import numpy
import torch
from spacy.tokens import Doc, Span
from spacy_transformers.data_classes import TransformerData
from thinc.api import to_numpy, xp2torch
from thinc.types import Floats4d, Ragged

from ..annotations import sentence_boundaries, token_sentences
from ..entity_sources import EntityDoc
from ..words import count_words
from .attention import attention_of
from .encoded_document import EncodedDocument
from .listener import is_of_text
from .windows import LOST_PIECES, PIECE_CHARACTERS

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
    """Combine the encoder's output for a Doc with the places of its mentions.

    document (EntityDoc): The Doc, with at least one token, and its entities.
    data (TransformerData): The transformer's output for it.
    device (torch.device): The device of the tensors.
    is_train (bool): Whether hidden states and attention need gradients, and the evidence has all
        sentences.
    mention_pooling (MentionPooling): Whether a mention has all its pieces ("mean") or the first.
    special_tokens (bool): Whether special tokens are positions, too.
    RETURNS (EncodedDocument): The document.
    RAISES (ValueError): If the transformer gave no attention or read another text, or if the Doc is
        twice in its batch.
    """
    attention = _require_attention(data)
    hidden = data.model_output["last_hidden_state"]
    windows, length = hidden.shape[:2]
    characters = _characters(document.doc, data)
    # Positions follow the tokens that the encoder saw, `pieces` those of the Doc now.
    piece_positions, first_pieces = _positions(*_ragged(data.align), windows, length)
    pieces, lengths = align_tokens(document.doc, characters)
    sentences = token_sentences(document.doc)[_tokens_at(document.doc, characters[first_pieces, 0])]
    if special_tokens:
        special = _number_special(data, piece_positions, len(sentences))
        sentences = numpy.concatenate([sentences, numpy.full(special, -1)])
    mention_pieces, piece_mentions = _mention_pieces(
        document.entities, pieces, lengths, length if mention_pooling == "first" else None
    )
    mention_entities = numpy.repeat(
        numpy.arange(len(document.entities)), [len(mentions) for mentions in document.entities]
    )
    _warn_of_lost_pieces(
        document, data, characters, mention_pieces, mention_entities[piece_mentions]
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
        mention_entities=index(mention_entities),
        num_entities=len(document.entities),
        position_sentences=index(sentences),
        num_sentences=len(sentence_boundaries(document.doc)),
        num_words=count_words(document.doc),
        all_sentences=is_train or document.all_sentences,
    )


def _warn_of_lost_pieces(
    document: EntityDoc,
    data: TransformerData,
    characters: numpy.ndarray,
    mention_pieces: numpy.ndarray,
    piece_entities: numpy.ndarray,
) -> None:
    """Warn of entities without word pieces, and of tokens that are longer than a window."""
    beginning = f"of the document that begins {document.doc[:5].text[:50]!r}"
    without = len(document.entities) - len(numpy.unique(piece_entities))
    if without:
        warnings.warn(
            f"{without} of {len(document.entities)} entities {beginning} have no word pieces, so "
            "the model knows nothing of them: the tokenizer, or the get_spans of the transformer, "
            "leaves out their characters.",
            stacklevel=2,
        )
    lost = data.model_output.get(LOST_PIECES)
    if lost is None or not lost.any():
        return
    cut = numpy.asarray(to_numpy(lost)) > 0
    places = characters.reshape(len(cut), -1, 2)[cut]
    # A token that is cut is alone in its window.
    tokens = numpy.unique(_tokens_at(document.doc, places.max(axis=1)[:, 1] - 1))
    losing = numpy.unique(piece_entities[cut[mention_pieces // places.shape[1]]])
    warnings.warn(
        f"{len(tokens)} tokens {beginning} have more word pieces than fit into a window of the "
        "transformer. Only the beginning of each is read: "
        + ", ".join(f"{document.doc[token].text[:20]!r} ..." for token in tokens.tolist())
        + f" So {len(losing)} of {len(document.entities)} entities lose word pieces.",
        stacklevel=2,
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
            "The relation extractor needs word pieces and their attention, but it was given token "
            "vectors. Set [components.doc_relation_extractor.model.tok2vec] to @architectures = "
            '"spacy_docre.TransformerListener.v1".'
        )
    attention = attention_of(data)
    if attention is None:
        raise ValueError(
            "The relation extractor needs the attention of the transformer's last layer, but the "
            "transformer gave none. Put a 'transformer' component before the relation extractor, "
            "and set [components.transformer.model] to @architectures = "
            '"spacy_docre.TransformerModel.v1". A component that deletes doc._.trf_data, e.g. '
            "doc_cleaner, has to be after the relation extractor. In training, name the "
            "transformer in annotating_components if its annotations are used. A Doc that is "
            "already annotated has lost its attention: run the whole pipeline on it again. A "
            "second relation extractor needs a separate transformer: nlp.replace_listeners()."
        )
    return attention


def _characters(doc: Doc, data: TransformerData) -> numpy.ndarray:
    """Find the characters of each piece of the flattened windows, shape (windows * pieces, 2)."""
    _require_one_doc(doc, _ragged(data.align)[0])
    if not is_of_text(data, doc):
        raise ValueError(
            f"The document that begins {doc[:5].text!r} has another text than the transformer has "
            "read: doc._.trf_data was copied from another Doc, e.g. by copy_user_data. Run the "
            "transformer on this document."
        )
    stored = data.model_output.get(PIECE_CHARACTERS)
    if stored is not None:
        return numpy.asarray(to_numpy(stored)).reshape(-1, 2)
    # An earlier version stored no characters of pieces on a Doc: take those of the tokens.
    pieces, lengths = _ragged(data.align)
    if len(lengths) != len(doc):
        raise ValueError(
            f"The document that begins {doc[:5].text!r} has {len(doc)} tokens, but it had "
            f"{len(lengths)} when the transformer read it. Put the component that merges or splits "
            "tokens, e.g. merge_entities, before the transformer."
        )
    tokens = numpy.repeat(numpy.arange(len(lengths)), lengths)
    starts = _token_starts(doc)
    ends = starts + numpy.array([len(token) for token in doc])
    characters = numpy.zeros((data.wordpieces.input_ids.size, 2), dtype="int64")
    # A piece may lie in several tokens.
    characters[pieces[::-1], 0] = starts[tokens[::-1]]
    characters[pieces, 1] = ends[tokens]
    return characters


def align_tokens(doc: Doc, characters: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Find the word pieces of each token, as spacy-transformers aligns them.

    doc (Doc): The document. Its tokens may have changed since the encoder read it.
    characters (numpy.ndarray): The first character of each piece and the character to stop before,
        shape (pieces, 2).
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): The pieces, token by token, shape (aligned
        pieces,), and the number of pieces of each token, shape (tokens,).
    """
    pieces = numpy.flatnonzero(characters[:, 0] < characters[:, 1])
    first = _tokens_at(doc, characters[pieces, 0])
    counts = _tokens_at(doc, characters[pieces, 1] - 1) - first + 1
    ranks = numpy.arange(counts.sum()) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
    tokens = numpy.repeat(first, counts) + ranks
    order = tokens.argsort(kind="stable")
    return numpy.repeat(pieces, counts)[order], numpy.bincount(tokens, minlength=len(doc))


def _tokens_at(doc: Doc, characters: numpy.ndarray) -> numpy.ndarray:
    """Find the tokens that contain characters. A space belongs to the token before it."""
    return numpy.searchsorted(_token_starts(doc), characters, side="right") - 1


def _token_starts(doc: Doc) -> numpy.ndarray:
    return numpy.array([token.idx for token in doc])


def _ragged(align: Ragged) -> Tuple[numpy.ndarray, numpy.ndarray]:
    return numpy.asarray(align.dataXd).reshape(-1), numpy.asarray(align.lengths)


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
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): The position of each piece of the flattened
        windows, -1 for none, shape (windows * pieces,), and one piece of each position, shape
        (positions,).
    """
    tokens = numpy.repeat(numpy.arange(len(lengths)), lengths)
    # Pieces of one token in one window follow each other. The rank of a piece is its distance from
    # the first one.
    runs = tokens * windows + pieces // length
    starts = numpy.flatnonzero(numpy.r_[True, runs[1:] != runs[:-1]])
    counts = numpy.diff(numpy.r_[starts, len(runs)])
    ranks = numpy.arange(len(runs)) - numpy.repeat(starts, counts)
    # A piece that lies in two tokens belongs to the first.
    used, first = numpy.unique(pieces, return_index=True)
    _, examples, positions = numpy.unique(
        tokens[first] * (length + 1) + ranks[first], return_index=True, return_inverse=True
    )
    piece_positions = numpy.full(windows * length, -1)
    piece_positions[used] = positions
    return piece_positions, used[examples]


def _number_special(data: TransformerData, piece_positions: numpy.ndarray, start: int) -> int:
    """Give special tokens positions, from `start` on, and return their number."""
    attended = numpy.asarray(to_numpy(data.wordpieces.attention_mask)).reshape(-1) > 0
    special = numpy.flatnonzero(attended & (piece_positions < 0))
    piece_positions[special] = start + numpy.arange(len(special))
    return len(special)


def _mention_pieces(
    entities: Sequence[Sequence[Span]],
    pieces: numpy.ndarray,
    lengths: numpy.ndarray,
    window: Optional[int],
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Find the pieces of every mention in all windows, and the mention of each piece. If `window`,
    the length of a window, is given: only the first piece in each window in which the mention
    begins."""
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
