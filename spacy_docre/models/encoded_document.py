"""The encoder's output for one document (eq. 1), and the place of each word piece."""

from typing import NamedTuple, Tuple

import torch
from torch import Tensor


class EncodedDocument(NamedTuple):
    """The encoder's windows of one document, and the positions and mentions of their pieces.

    A *position* is a word piece of the document. Overlapping windows contain the same position more
    than once. Pieces that belong to no token have no position: padding, and special tokens if they
    are left out. The class is a tuple, so that thinc finds the tensors that need a gradient.

    hidden (Tensor): Last hidden states, shape (windows, pieces, width).
    attention (Tensor): The last layer's attention probabilities, shape
        (windows, heads, pieces, pieces).
    piece_positions (Tensor): The document position of each piece, -1 for none, shape
        (windows * pieces,).
    num_positions (int): The number of positions in the document.
    mention_pieces (Tensor): The pieces of all mentions, one mention after the other, as indices
        into the flattened windows, shape (mention pieces,).
    piece_mentions (Tensor): The mention of each of `mention_pieces`, shape (mention pieces,).
    mention_entities (Tensor): The entity of each mention, shape (mentions,).
    num_entities (int): The number of entities.
    position_sentences (Tensor): The sentence of each position, -1 for a special token, shape
        (positions,).
    num_sentences (int): The number of sentences.
    num_words (int): The number of tokens, without white space.
    all_sentences (bool): Whether the shares of attention on all sentences are wanted, not only on
        the best.
    """

    hidden: Tensor
    attention: Tensor
    piece_positions: Tensor
    num_positions: int
    mention_pieces: Tensor
    piece_mentions: Tensor
    mention_entities: Tensor
    num_entities: int
    position_sentences: Tensor
    num_sentences: int
    num_words: int
    all_sentences: bool = False


def merge_windows(document: EncodedDocument) -> Tensor:
    """Compute H of eq. 1: the hidden states, averaged over overlapping windows.

    document (EncodedDocument): The document.
    RETURNS (Tensor): One row for each position, shape (positions, width).
    """
    kept = document.piece_positions >= 0
    positions = document.piece_positions[kept]
    rows = document.hidden.flatten(0, 1)[kept]  # (kept pieces, width)
    total = rows.new_zeros(document.num_positions, rows.shape[1]).index_add(0, positions, rows)
    if len(document.hidden) == 1:
        return total
    count = torch.bincount(positions, minlength=document.num_positions)
    return total / count.unsqueeze(1)  # (positions, width)


def mention_positions(document: EncodedDocument) -> Tuple[Tensor, Tensor]:
    """Find the positions of every mention. A position in two windows counts once.

    document (EncodedDocument): The document.
    RETURNS (Tuple[Tensor, Tensor]): The mention and the position of each, mention by mention, with
        the positions in order, both of shape (mention positions,).
    """
    mention, position = torch.stack(
        [document.piece_mentions, document.piece_positions[document.mention_pieces]]
    ).unique(dim=1)  # 2 x (mention positions,)
    return mention, position


def embed_mentions(hidden: Tensor, document: EncodedDocument) -> Tuple[Tensor, Tensor]:
    """Embed each mention as the mean of its positions. A mention is left out if none of its pieces
    reached the encoder.

    hidden (Tensor): H, shape (positions, width).
    document (EncodedDocument): The document.
    RETURNS (Tuple[Tensor, Tensor]): The embeddings of the other mentions, shape (seen mentions,
        width), and their indices, shape (seen mentions,).
    """
    num_mentions = len(document.mention_entities)
    mention, position = mention_positions(document)
    length = torch.bincount(mention, minlength=num_mentions)  # (mentions,)
    total = hidden.new_zeros(num_mentions, hidden.shape[1])
    total = total.index_add(0, mention, hidden[position])  # (mentions, width)
    seen = length.nonzero().squeeze(1)
    return total[seen] / length[seen].unsqueeze(1), seen


def mention_sentences(document: EncodedDocument) -> Tensor:
    """Find the sentence in which each mention begins.

    document (EncodedDocument): The document.
    RETURNS (Tensor): The sentence, -1 if no piece reached the encoder, shape (mentions,).
    """
    mention, position = mention_positions(document)
    first = torch.full_like(document.mention_entities, document.num_positions)
    first = first.scatter_reduce(0, mention, position, "amin")  # (mentions,)
    none = document.position_sentences.new_tensor([-1])
    return torch.cat([document.position_sentences, none])[first]


def entity_sentences(document: EncodedDocument) -> Tensor:
    """Tell which entities are mentioned in which sentences.

    document (EncodedDocument): The document.
    RETURNS (Tensor): Whether a mention of the entity begins in the sentence, booleans of shape
        (entities, sentences).
    """
    sentences = mention_sentences(document)
    known = sentences >= 0
    found = torch.zeros(
        document.num_entities, document.num_sentences, dtype=torch.bool, device=sentences.device
    )
    found[document.mention_entities[known], sentences[known]] = True
    return found


def entity_attention(document: EncodedDocument) -> Tensor:
    """Compute A_e of every entity (eq. 2): the sum over its mentions, with windows merged.

    A mention's attention is the mean over its pieces, in every window that contains them. Attention
    on pieces without a position is left out.

    document (EncodedDocument): The document.
    RETURNS (Tensor): A, shape (positions, entities, heads).
    """
    windows, heads, pieces, _ = document.attention.shape
    entities = document.mention_entities[document.piece_mentions]
    length = torch.bincount(document.piece_mentions, minlength=len(document.mention_entities))
    weight = 1.0 / length[document.piece_mentions].to(document.attention.dtype)
    window, piece = document.mention_pieces // pieces, document.mention_pieces % pieces
    positions = document.piece_positions.view(windows, pieces)
    total = document.attention.new_zeros(document.num_positions, document.num_entities, heads)
    # One window at a time, without padding: memory holds little more than the result, and the
    # result does not depend on the other documents of the batch.
    for index in window.unique().tolist():
        here, kept = window == index, (positions[index] >= 0).nonzero().squeeze(1)
        # Many times faster than indexing with both.
        rows = document.attention[index].index_select(1, piece[here])  # (heads, pieces, pieces)
        rows = rows.permute(1, 2, 0).index_select(1, kept)  # (pieces, positions, heads)
        rows = rows * weight[here].view(-1, 1, 1)
        gathered = rows.new_zeros(document.num_entities, *rows.shape[1:])
        gathered = gathered.index_add(0, entities[here], rows)  # (entities, positions, heads)
        total.index_add_(0, positions[index][kept], gathered.transpose(0, 1).contiguous())
    return total  # (positions, entities, heads)


def segment_logsumexp(rows: Tensor, segments: Tensor, num_segments: int) -> Tensor:
    """Compute log sum exp over the rows of each segment; zeros for a segment without rows.

    rows (Tensor): The values, shape (rows, width).
    segments (Tensor): The segment of each row, shape (rows,).
    num_segments (int): The number of segments.
    RETURNS (Tensor): One row for each segment, shape (segments, width).
    """
    index = segments.unsqueeze(1).expand_as(rows)
    largest = rows.new_zeros(num_segments, rows.shape[1]).scatter_reduce(
        0, index, rows.detach(), "amax", include_self=False
    )  # (segments, width)
    total = torch.zeros_like(largest).index_add(0, segments, (rows - largest[segments]).exp())
    empty = total == 0
    return largest + total.masked_fill(empty, 1.0).log()  # (segments, width)
