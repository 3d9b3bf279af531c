"""GAIN's equations as plain loops over nodes, entities and paths, in float64.

They share no code with the package. Autograd goes through them.
"""

from typing import List, NamedTuple, Set, Tuple

import torch
from torch import Tensor

from spacy_docre.models.encoded_document import EncodedDocument
from tests.models.equations import (
    Weights,
    entity_mentions,
    merged_hidden,
    ordered_pairs,
    subset,
    window_positions,
)


class Mention(NamedTuple):
    entity: int
    sentence: int
    embedding: Tensor


def read_mentions(document: EncodedDocument) -> List[Mention]:
    """The mentions that pieces of have reached the encoder."""
    hidden, positions = merged_hidden(document), window_positions(document)
    found = []
    for entity, mentions in enumerate(entity_mentions(document)):
        for pieces in mentions:
            own = sorted({positions[window][piece] for window, piece in pieces})
            if own:
                sentence = int(document.position_sentences[own[0]])
                found.append(Mention(entity, sentence, sum(hidden[i] for i in own) / len(own)))
    return found


def linear(weights: Weights, name: str, value: Tensor) -> Tensor:
    result = weights[f"{name}.weight"].double() @ value
    return result + weights[f"{name}.bias"].double() if f"{name}.bias" in weights else result


def neighbours(mentions: List[Mention], node: int) -> List[List[int]]:
    """Of a node, by kind of edge; node 0 is the document, node i + 1 is mention i."""
    others = [index for index in range(len(mentions)) if index + 1 != node]
    if node == 0:
        return [[], [], [index + 1 for index in others]]
    own = mentions[node - 1]
    same = [index for index in others if mentions[index].entity == own.entity]
    near = [
        index
        for index in others
        if mentions[index].sentence == own.sentence and mentions[index].entity != own.entity
    ]
    return [[index + 1 for index in same], [index + 1 for index in near], [0]]


def mention_graph(document: EncodedDocument, weights: Weights) -> Tuple[List[Tensor], Tensor]:
    """The embedding of each entity, and the document node."""
    mentions, hidden = read_mentions(document), merged_hidden(document)
    inputs = [sum(hidden) / len(hidden), *(mention.embedding for mention in mentions)]
    nodes = [linear(weights, "enter", value) for value in inputs]
    found = [[node] for node in nodes]
    for layer in range(len({name.split(".")[1] for name in weights if "layers" in name})):
        own = subset(weights, f"layers.{layer}")
        kinds = own["neighbours.weight"].double().chunk(3)
        following = []
        for index, node in enumerate(nodes):
            total = linear(own, "own", node)
            for kind, near in zip(kinds, neighbours(mentions, index), strict=True):
                for other in near:
                    total = total + kind @ nodes[other] / len(near)
            following.append(total.relu())
        nodes = following
        for row, node in zip(found, nodes, strict=True):
            row.append(node)
    output = [torch.cat(row) for row in found]
    entities = []
    for entity in range(document.num_entities):
        own_nodes = [
            output[1 + index] for index, mention in enumerate(mentions) if mention.entity == entity
        ]
        mean = sum(own_nodes) / len(own_nodes) if own_nodes else torch.zeros_like(output[0])
        entities.append(mean)
    return entities, output[0]


def sentences_of(document: EncodedDocument) -> List[Set[int]]:
    """The sentences that mention each entity."""
    found: List[Set[int]] = [set() for _ in range(document.num_entities)]
    for mention in read_mentions(document):
        found[mention.entity].add(mention.sentence)
    return found


def gain_logits(document: EncodedDocument, weights: Weights) -> Tensor:
    """The logits of each pair, path by path."""
    entities, whole = mention_graph(document, subset(weights, "graph"))
    mentioned = sentences_of(document)

    def edge(one: int, other: int) -> Tensor:
        head = linear(weights, "edge_head", entities[one])
        return (head + linear(weights, "edge_tail", entities[other])).relu()

    logits = []
    for h, t in ordered_pairs(document.num_entities):
        paths = [
            # In the order of the network, whose weights begin at random: what leads away from h
            # and back to it, then what leads on to t and back.
            torch.cat([edge(h, o), edge(o, h), edge(o, t), edge(t, o)])
            for o in range(document.num_entities)
            if o not in (h, t) and mentioned[h] & mentioned[o] and mentioned[o] & mentioned[t]
        ]
        query = linear(weights, "path_head", entities[h])
        query = query + linear(weights, "path_tail", entities[t])
        path = torch.zeros_like(query)
        if paths:
            shares = torch.stack([query @ path for path in paths]).softmax(0)
            path = sum(share * path for share, path in zip(shares, paths, strict=True))
        head, tail = entities[h], entities[t]
        known = torch.cat([head, tail, (head - tail).abs(), head * tail, whole, path])
        logits.append(linear(weights, "classifier", linear(weights, "features", known).relu()))
    return torch.stack(logits)
