"""SIRE's equations as plain loops over pairs, sentences and chains, in float64.

They share no code with the package. Autograd goes through them.
"""

import itertools
from typing import Dict, List, Tuple

import torch
from torch import Tensor

from spacy_docre.models.encoded_document import EncodedDocument
from tests.models.equations import Pair, Weights, merged_hidden, ordered_pairs, subset
from tests.models.equations_gain import linear, mention_graph, read_mentions, sentences_of


def sentence_means(document: EncodedDocument) -> Dict[int, Tensor]:
    """Of each sentence that has word pieces."""
    found: Dict[int, List[Tensor]] = {}
    sentences = document.position_sentences.tolist()
    for row, sentence in zip(merged_hidden(document), sentences, strict=True):
        found.setdefault(sentence, []).append(row)
    return {sentence: sum(rows) / len(rows) for sentence, rows in found.items() if sentence >= 0}


def pair_tables(
    document: EncodedDocument, weights: Weights
) -> Tuple[Dict[Pair, Tensor], Dict[Pair, Tensor]]:
    """r of each ordered pair, and its attention on every sentence."""
    entities, _ = mention_graph(document, subset(weights, "graph"))
    reader, sentences = subset(weights, "reader"), sentence_means(document)
    mentions, mentioned = read_mentions(document), sentences_of(document)
    root = len(reader["key.weight"]) ** 0.5

    def local(entity: int, sentence: int) -> Tensor:
        own = [m.embedding for m in mentions if (m.entity, m.sentence) == (entity, sentence)]
        return sum(own) / len(own)

    table, attention = {}, {}
    for h, t in ordered_pairs(document.num_entities):
        shared = mentioned[h] & mentioned[t]
        chosen = sorted(shared or sentences)
        query = linear(reader, "query", entities[h]) + linear(reader, "query", entities[t])
        scores = [query @ linear(reader, "key", sentences[k]) / root for k in chosen]
        shares = torch.stack(scores).softmax(0)
        attention[h, t] = torch.zeros(document.num_sentences, dtype=torch.float64)
        for k, share in zip(chosen, shares, strict=True):
            attention[h, t][k] += share
        if shared:
            said = []
            for k in chosen:
                value = linear(reader, "head_mention", local(h, k))
                value = value + linear(reader, "tail_mention", local(t, k))
                said.append((value + linear(reader, "sentence", sentences[k])).relu())
            table[h, t] = sum(share * value for share, value in zip(shares, said, strict=True))
        else:
            context = sum(share * sentences[k] for k, share in zip(chosen, shares, strict=True))
            value = linear(reader, "head_entity", entities[h])
            value = value + linear(reader, "tail_entity", entities[t])
            table[h, t] = (value + linear(reader, "context", context)).relu()
    return table, attention


def sire_logits(document: EncodedDocument, weights: Weights) -> Tensor:
    """The logits of each pair, chain by chain."""
    table, _ = pair_tables(document, weights)
    logits = []
    for h, t in table:
        chains = [
            torch.cat([table[h, o], table[o, t]])
            for o in range(document.num_entities)
            if o not in (h, t)
        ]
        query = linear(weights, "query", table[h, t])
        chain = torch.zeros_like(query)
        if chains:
            scores = torch.stack([query @ chain for chain in chains]) / len(query) ** 0.5
            chain = sum(
                share * chain for share, chain in zip(scores.softmax(0), chains, strict=True)
            )
        features = linear(weights, "own", table[h, t]) + linear(weights, "chains", chain)
        logits.append(linear(weights, "classifier", features.relu()))
    return torch.stack(logits)


def sire_evidence(document: EncodedDocument, weights: Weights) -> Dict[Pair, Tensor]:
    """The attention of each unordered pair on every sentence."""
    _, attention = pair_tables(document, weights)
    pairs = itertools.combinations(range(document.num_entities), 2)
    return {pair: attention[pair] for pair in pairs}
