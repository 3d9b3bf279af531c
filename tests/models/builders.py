"""Encoded documents made by hand or at random, for the tests of the torch modules."""

import random
from typing import Dict, List, Sequence

import torch
from torch import Tensor

from spacy_docre.models.encoded_document import EncodedDocument

SPECIAL = -1
"""The position of a piece that belongs to no token: a special token, or padding."""


def encoded_document(
    windows: Sequence[Sequence[int]],
    entities: Sequence[Sequence[Sequence[int]]],
    *,
    width: int = 6,
    heads: int = 2,
    sentence_starts: Sequence[int] = (0,),
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> EncodedDocument:
    """A document with random hidden states and random attention.

    windows: The position of each piece of each window; windows of one length.
    entities: The positions of each mention of each entity. A mention has all the pieces,
        in all windows, that hold one of its positions.
    sentence_starts: The first position of each sentence.
    """
    generator = torch.Generator().manual_seed(seed)
    positions = [position for window in windows for position in window]
    mentions = [mention for entity in entities for mention in entity]
    pieces = [
        [piece for piece, position in enumerate(positions) if position in mention]
        for mention in mentions
    ]
    shape = (len(windows), heads, len(windows[0]), len(windows[0]))
    num_positions = max(positions) + 1
    starts = torch.zeros(num_positions, dtype=torch.long)
    starts[list(sentence_starts)] = 1
    return EncodedDocument(
        hidden=torch.randn(len(windows), len(windows[0]), width, generator=generator).to(dtype),
        attention=(2 * torch.randn(shape, generator=generator)).softmax(-1).to(dtype),
        piece_positions=torch.tensor(positions),
        num_positions=num_positions,
        mention_pieces=torch.tensor([piece for mention in pieces for piece in mention]).long(),
        piece_mentions=torch.tensor(
            [index for index, mention in enumerate(pieces) for _ in mention]
        ).long(),
        mention_entities=torch.tensor(
            [index for index, entity in enumerate(entities) for _ in entity]
        ).long(),
        num_entities=len(entities),
        position_sentences=starts.cumsum(0) - 1,
        num_sentences=len(sentence_starts),
        num_words=num_positions,
    )


def overlapping_windows(number: int) -> List[List[int]]:
    """Windows of six positions between two special tokens, of which two neighbours share
    two; the last one is shorter, and padded."""
    windows = [[SPECIAL, *range(4 * start, 4 * start + 6), SPECIAL] for start in range(number)]
    windows[-1][-3:] = [SPECIAL] * 3
    return windows


def random_document(
    num_entities: int, *, windows: int = 3, seed: int = 0, **settings
) -> EncodedDocument:
    """A document with one to three mentions an entity, anywhere, also across windows and on
    top of one another."""
    choice = random.Random(seed)
    pieces = overlapping_windows(windows)
    num_positions = max(map(max, pieces)) + 1
    entities = []
    for _ in range(num_entities):
        starts = [choice.randrange(num_positions) for _ in range(choice.randint(1, 3))]
        entities.append(
            [range(start, min(start + choice.randint(1, 3), num_positions)) for start in starts]
        )
    settings.setdefault("sentence_starts", (0, num_positions // 2))
    return encoded_document(pieces, entities, seed=seed, **settings)


def double_mention_document(**settings) -> EncodedDocument:
    """Entities 0 and 1 have the mention of positions 2 and 3 in common; entity 2 has a
    mention that three windows hold pieces of, and one twice as good as the other."""
    windows = [[SPECIAL, 0, 1, 2, 3, SPECIAL], [3, 4, 5, 6, 7, SPECIAL], [SPECIAL, 7, 8, 9, -1, -1]]
    entities = [[[0], [2, 3]], [[2, 3]], [[3, 4, 5, 6, 7], [9]], [[8, 9]]]
    return encoded_document(windows, entities, sentence_starts=(0, 3, 7), **settings)


def unseen_entity_document(**settings) -> EncodedDocument:
    """No piece of entity 1, nor of one of the two mentions of entity 2, has reached the
    encoder: positions 50 and 51 are in no window."""
    windows = [[SPECIAL, 0, 1, 2, 3, SPECIAL], [2, 3, 4, 5, SPECIAL, SPECIAL]]
    entities = [[[0, 1]], [[50, 51]], [[51], [4]], [[2, 5]]]
    return encoded_document(windows, entities, sentence_starts=(0, 3), **settings)


def named_documents(**settings) -> Dict[str, EncodedDocument]:
    """Documents with every kind of trouble."""
    return {
        "one window": random_document(4, windows=1, seed=1, **settings),
        "overlapping windows": random_document(5, windows=3, seed=2, **settings),
        "many windows": random_document(3, windows=6, seed=3, **settings),
        "shared mention": double_mention_document(**settings),
        "unseen entity": unseen_entity_document(**settings),
    }


def without_overlap(**settings) -> EncodedDocument:
    """Two entities that no window holds together, so that they share no attention."""
    windows = [[SPECIAL, 0, 1, SPECIAL], [SPECIAL, 2, 3, SPECIAL]]
    return encoded_document(windows, [[[0]], [[2, 3]]], **settings)


def padded(document: EncodedDocument, number: int) -> EncodedDocument:
    """The same document with `number` more pieces at the end of every window, which belong
    to no position and hold rubbish."""
    generator = torch.Generator().manual_seed(99)
    windows, pieces, width = document.hidden.shape
    heads = document.attention.shape[1]
    hidden = torch.randn(windows, pieces + number, width, generator=generator)
    hidden[:, :pieces] = document.hidden
    attention = torch.rand(windows, heads, pieces + number, pieces + number, generator=generator)
    attention[:, :, :pieces, :pieces] = document.attention
    positions = torch.full((windows, pieces + number), SPECIAL)
    positions[:, :pieces] = document.piece_positions.view(windows, pieces)
    window, piece = document.mention_pieces // pieces, document.mention_pieces % pieces
    return document._replace(
        hidden=hidden,
        attention=attention,
        piece_positions=positions.flatten(),
        mention_pieces=window * (pieces + number) + piece,
    )


def with_entities_in_order(document: EncodedDocument, order: Sequence[int]) -> EncodedDocument:
    """The same document, its entity `order[k]` at index k."""
    index = {entity: k for k, entity in enumerate(order)}
    entities = [index[entity] for entity in document.mention_entities.tolist()]
    return document._replace(mention_entities=torch.tensor(entities))


def with_gradients(document: EncodedDocument) -> EncodedDocument:
    """The same document, of whose hidden states and attention gradients are wanted."""
    return document._replace(
        hidden=document.hidden.detach().clone().requires_grad_(),
        attention=document.attention.detach().clone().requires_grad_(),
    )


def gradient(tensor: Tensor) -> Tensor:
    """The gradient that has reached a tensor."""
    assert tensor.grad is not None
    return tensor.grad
