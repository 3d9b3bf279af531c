"""SSAN's structured self-attention as loops over layers, heads and pieces."""

from math import exp, sqrt
from typing import Dict, List, Optional, Sequence, Set, Tuple

import torch
from spacy.tokens import Doc, Span
from torch import Tensor

ORDER = ["intra+coref", "inter+coref", "intra+relate", "inter+relate", "intraNE"]


def tokens_of_piece(doc: Doc, start: int, end: int) -> List[int]:
    """The tokens that a piece touches. A space belongs to the token before it."""
    found = []
    for token in doc:
        following = doc[token.i + 1].idx if token.i + 1 < len(doc) else len(doc.text)
        if start < end and start < following and end > token.idx:
            found.append(token.i)
    return found


def dependency(
    doc: Doc, entities: Sequence[Sequence[Span]], asking: Tuple[int, int], asked: Tuple[int, int]
) -> Optional[str]:
    """The dependency of two pieces, by their characters."""
    sentence_of = {token.i: number for number, sent in enumerate(doc.sents) for token in sent}

    def members(piece: Tuple[int, int]) -> Set[int]:
        tokens = tokens_of_piece(doc, *piece)
        return {
            index
            for index, mentions in enumerate(entities)
            for span in mentions
            if any(span.start <= token < span.end for token in tokens)
        }

    ours, theirs = tokens_of_piece(doc, *asking), tokens_of_piece(doc, *asked)
    if not ours or not theirs or not members(asking):
        return None
    together = sentence_of[ours[0]] == sentence_of[theirs[0]]
    if not members(asked):
        return "intraNE" if together else None
    place = "intra" if together else "inter"
    return f"{place}+{'coref' if members(asking) & members(asked) else 'relate'}"


def term(weights: Dict[str, Tensor], head: int, q: Tensor, k: Tensor, name: Optional[str]) -> float:
    """What the structure adds to q k^T, before it is divided."""
    if name is None:
        return 0.0
    s = ORDER.index(name)
    bias = weights["bias"][head, s].item()
    if "matrices" in weights:
        matrix = weights["matrices"][head, s]
        return bias + sum(
            (q[a] * matrix[a, b] * k[b]).item() for a in range(len(q)) for b in range(len(k))
        )
    by_query = sum((q[a] * weights["keys"][head, s, a]).item() for a in range(len(q)))
    by_key = sum((weights["queries"][head, s, b] * k[b]).item() for b in range(len(k)))
    return by_query + by_key + bias


def run_bert(
    bert: torch.nn.Module, input_ids: Tensor, names: Sequence[Sequence[Optional[str]]]
) -> Tuple[Tensor, Tensor]:
    """The last hidden state of one window without padding, shape (pieces, width), and the last
    attention, shape (heads, pieces, pieces)."""
    hidden = bert.embeddings(input_ids[None])[0]
    n = len(hidden)
    for layer in bert.encoder.layer:
        attention = layer.attention.self
        weights = dict(attention.structure.named_parameters())
        heads, width = attention.num_attention_heads, attention.attention_head_size
        q, k, v = (
            linear(hidden).view(n, heads, width).double()
            for linear in (attention.query, attention.key, attention.value)
        )
        shares = torch.zeros(heads, n, n).double()
        context = torch.zeros(n, heads, width).double()
        for head in range(heads):
            for i in range(n):
                scores = [
                    (
                        (q[i, head] @ k[j, head]).item()
                        + term(weights, head, q[i, head], k[j, head], names[i][j])
                    )
                    / sqrt(width)
                    for j in range(n)
                ]
                total = sum(exp(score) for score in scores)
                for j in range(n):
                    shares[head, i, j] = exp(scores[j]) / total
                    context[i, head] += shares[head, i, j] * v[j, head]
        hidden = layer.attention.output(context.reshape(n, -1).float(), hidden)
        hidden = layer.output(layer.intermediate(hidden), hidden)
    return hidden, shares.float()
