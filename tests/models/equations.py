"""Equations 2 to 8 as plain loops over entities, pairs, heads and windows, in float64.

They share no code with the package. Autograd goes through them.
"""

import itertools
from typing import Dict, List, Tuple

import torch
from torch import Tensor

from spacy_docre.models.encoded_document import EncodedDocument

Pair = Tuple[int, int]
Weights = Dict[str, Tensor]


def ordered_pairs(num_entities: int) -> List[Pair]:
    """(head, tail), head by head, the tails in order."""
    return list(itertools.permutations(range(num_entities), 2))


def unordered_pairs(num_entities: int) -> List[Pair]:
    return list(itertools.combinations(range(num_entities), 2))


def window_positions(document: EncodedDocument) -> List[List[int]]:
    windows, pieces = document.hidden.shape[:2]
    return document.piece_positions.view(windows, pieces).tolist()


def entity_mentions(document: EncodedDocument) -> List[List[List[Pair]]]:
    """The pieces (window, piece in the window) of each mention of each entity."""
    length = document.hidden.shape[1]
    mentions: List[List[Pair]] = [[] for _ in document.mention_entities]
    for piece, mention in zip(
        document.mention_pieces.tolist(), document.piece_mentions.tolist(), strict=True
    ):
        mentions[mention].append((piece // length, piece % length))
    entities: List[List[List[Pair]]] = [[] for _ in range(document.num_entities)]
    for mention, entity in enumerate(document.mention_entities.tolist()):
        entities[entity].append(mentions[mention])
    return entities


def merged_hidden(document: EncodedDocument) -> Tensor:
    """Equation 1: the mean of what the windows say of each position."""
    hidden = document.hidden.double()
    found: List[List[Tensor]] = [[] for _ in range(document.num_positions)]
    for window, positions in enumerate(window_positions(document)):
        for piece, position in enumerate(positions):
            if position >= 0:
                found[position].append(hidden[window, piece])
    return torch.stack([sum(rows) / len(rows) for rows in found])


def entity_embeddings(document: EncodedDocument) -> Tensor:
    """Equation 2: log sum exp over mentions, a mention the mean of its positions; zeros for
    an entity with no piece."""
    hidden = merged_hidden(document)
    positions = window_positions(document)
    embeddings = []
    for mentions in entity_mentions(document):
        exponentials = []
        for pieces in mentions:
            own = sorted({positions[window][piece] for window, piece in pieces})
            if own:
                mean = sum(hidden[position] for position in own) / len(own)
                exponentials.append(mean.exp())
        embeddings.append(sum(exponentials).log() if exponentials else torch.zeros_like(hidden[0]))
    return torch.stack(embeddings)


def entity_attention(document: EncodedDocument) -> List[List[Tensor]]:
    """Equation 2: for each entity and head, the attention over positions.

    A mention's is the mean over its pieces, an entity's the sum over its mentions."""
    attention = document.attention.double()
    windows = window_positions(document)
    result = []
    for mentions in entity_mentions(document):
        rows = []
        for head in range(attention.shape[1]):
            values = [torch.zeros((), dtype=torch.float64)] * document.num_positions
            for pieces in mentions:
                for window, piece in pieces:
                    for other, position in enumerate(windows[window]):
                        if position >= 0:
                            share = attention[window, head, piece, other] / len(pieces)
                            values[position] = values[position] + share
            rows.append(torch.stack(values))
        result.append(rows)
    return result


def pair_attention(document: EncodedDocument, diagonal: bool = False) -> Dict[Pair, Tensor]:
    """Equation 3, of every unordered pair; zeros where two entities share no attention."""
    attention = entity_attention(document)
    pairs = itertools.combinations_with_replacement if diagonal else itertools.combinations
    result = {}
    for first, second in pairs(range(document.num_entities), 2):
        shared = sum(
            one * two for one, two in zip(attention[first], attention[second], strict=True)
        )
        result[first, second] = shared / shared.sum() if shared.sum() > 0 else shared
    return result


def pair_contexts(document: EncodedDocument, diagonal: bool = False) -> Dict[Pair, Tensor]:
    """Equation 4, c = H^T q, of every unordered pair."""
    hidden = merged_hidden(document)
    return {
        pair: sum(weight * row for weight, row in zip(shared, hidden, strict=True))
        for pair, shared in pair_attention(document, diagonal).items()
    }


def pair_evidence(document: EncodedDocument) -> Dict[Pair, Tensor]:
    """The share of each unordered pair's attention on each sentence."""
    result = {}
    for pair, shared in pair_attention(document).items():
        result[pair] = torch.zeros(document.num_sentences, dtype=torch.float64)
        for position, sentence in enumerate(document.position_sentences.tolist()):
            result[pair][sentence] += shared[position]
    return result


def grouped_bilinear(head: Tensor, tail: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Equation 6 for one pair. The weight has a row for each pair of values of a block."""
    size = round(weight.shape[1] ** 0.5)
    result = bias.double()
    for block in range(weight.shape[0]):
        for left in range(size):
            for right in range(size):
                product = head[block * size + left] * tail[block * size + right]
                result = result + product * weight[block, left * size + right].double()
    return result


def line_attention(query: Tensor, others: List[Tensor], weights: Weights, heads: int) -> Tensor:
    """What one pair gathers from the pairs of its line: scaled dot product attention."""
    query_weight, key_weight, value_weight = weights["query_key_value.weight"].double().chunk(3)
    width = len(query)
    size = width // heads
    gathered = []
    for head in range(heads):
        rows = slice(head * size, (head + 1) * size)
        q = query_weight[rows] @ query
        energies = [q @ (key_weight[rows] @ other) / size**0.5 for other in others]
        shares = torch.stack(energies).softmax(0)
        gathered.append(
            sum(
                share * (value_weight[rows] @ other)
                for share, other in zip(shares, others, strict=True)
            )
        )
    return weights["output.weight"].double() @ torch.cat(gathered) + weights["output.bias"].double()


def subset(weights: Weights, prefix: str) -> Weights:
    """The weights of a submodule, under its own names."""
    return {
        name[len(prefix) + 1 :]: weight
        for name, weight in weights.items()
        if name.startswith(prefix + ".")
    }


def axial_attention(
    table: Dict[Pair, Tensor], weights: Weights, *, heads: int, order: str, transform: bool
) -> Dict[Pair, Tensor]:
    """Equation 7, for the pairs of one document."""
    result = table
    depth = len({name.split(".")[1] for name in weights})
    for layer in range(depth):
        result = axial_layer(result, subset(weights, f"layers.{layer}"), heads, order, transform)
    return {pair: result[pair] + table[pair] for pair in table} if transform else result


def axial_layer(
    table: Dict[Pair, Tensor], weights: Weights, heads: int, order: str, transform: bool
) -> Dict[Pair, Tensor]:
    def along(values: Dict[Pair, Tensor], axis: str, shared: int) -> Dict[Pair, Tensor]:
        """What each pair gathers from those that have its head (0) or tail (1)."""
        return {
            pair: line_attention(
                values[pair],
                [values[other] for other in values if other[shared] == pair[shared]],
                subset(weights, axis),
                heads,
            )
            for pair in values
        }

    column = along(table, "column", shared=1)
    if order == "sequential":
        after_column = {pair: table[pair] + column[pair] for pair in table}
        row = along(after_column, "row", shared=0)
        result = {pair: after_column[pair] + row[pair] for pair in table}
    else:
        row = along(table, "row", shared=0)
        result = {pair: table[pair] + column[pair] + row[pair] for pair in table}
    if not transform:
        return result
    linear, scale = subset(weights, "transform.0"), subset(weights, "transform.1")
    output = {}
    for pair, value in result.items():
        value = linear["weight"].double() @ value + linear["bias"].double()
        value = (value - value.mean()) / (value.var(unbiased=False) + 1e-5) ** 0.5
        output[pair] = value * scale["weight"].double() + scale["bias"].double()
    return output


def printed_axial_attention(
    table: Dict[Pair, Tensor], num_entities: int, weights: Weights
) -> Dict[Pair, Tensor]:
    """Equation 7 as the paper prints it: q, k and v are maps of g that both sums share, and p runs
    over all entities. The table has the pairs (s, s), too."""
    entities = range(num_entities)
    for name in sorted(weights):
        query, key, value = (
            {pair: weight @ table[pair] for pair in table}
            for weight in weights[name].double().chunk(3)
        )
        result = {}
        for s, o in table:
            result[s, o] = table[s, o]
            for line in ([(p, o) for p in entities], [(s, p) for p in entities]):
                shares = torch.stack([query[s, o] @ key[other] for other in line]).softmax(0)
                gathered = sum(
                    share * value[other] for share, other in zip(shares, line, strict=True)
                )
                result[s, o] = result[s, o] + gathered
        table = result
    return table


Image = List[List[Tensor]]
"""Rows of pixels; a pixel is the vector of its channels."""


def unet(table: Dict[Pair, Tensor], num_entities: int, weights: Weights) -> Dict[Pair, Tensor]:
    """A U-Net over the table of one document, heads down, tails across, and the table itself."""
    black = torch.zeros_like(next(iter(table.values())))
    full = {
        pair: table.get(pair, black) for pair in itertools.product(range(num_entities), repeat=2)
    }
    segments = segmented(full, num_entities, weights)
    return {pair: value + segments[pair] for pair, value in table.items()}


def segmented(table: Dict[Pair, Tensor], num_entities: int, weights: Weights) -> Dict[Pair, Tensor]:
    """What a U-Net says of each pixel of a square."""
    entities = range(num_entities)
    image = [[table[head, tail] for tail in entities] for head in entities]
    top = convolutions(image, subset(weights, "enter"))
    middle = convolutions(halved(top), subset(weights, "down_one"))
    bottom = convolutions(halved(middle), subset(weights, "down_two"))
    middle = convolutions(stacked(middle, bottom), subset(weights, "up_one"))
    top = convolutions(stacked(top, middle), subset(weights, "up_two"))
    weight, bias = weights["leave.weight"].double(), weights["leave.bias"].double()
    return {(head, tail): weight[:, :, 0, 0] @ top[head][tail] + bias for head, tail in table}


def convolutions(image: Image, weights: Weights) -> Image:
    """Two 3 x 3 convolutions with rectifiers; what lies outside of the image is zero. Each may have
    a normalisation over all of the image before its rectifier."""
    rows = range(len(image))
    for name in sorted({key.split(".")[0] for key in weights}, key=int):
        weight, bias = weights[f"{name}.weight"].double(), weights[f"{name}.bias"].double()
        if weight.dim() == 4:
            image = [[_convolved(image, y, x, weight, bias) for x in rows] for y in rows]
        else:
            values = torch.stack([value for row in image for value in row])
            deviation = (values.var(unbiased=False) + 1e-5).sqrt()
            image = [
                [(value - values.mean()) / deviation * weight + bias for value in row]
                for row in image
            ]
        if f"{int(name) + 1}.weight" not in weights:
            image = [[value.clamp_min(0) for value in row] for row in image]
    return image


def _convolved(image: Image, row: int, column: int, weight: Tensor, bias: Tensor) -> Tensor:
    value = bias
    for down in range(3):
        for across in range(3):
            y, x = row + down - 1, column + across - 1
            if 0 <= y < len(image) and 0 <= x < len(image):
                value = value + weight[:, :, down, across] @ image[y][x]
    return value


def halved(image: Image) -> Image:
    """The largest of each 2 x 2 square, the squares at the edges as far as they go."""
    half = range((len(image) + 1) // 2)
    return [
        [
            torch.stack(
                [
                    image[y][x]
                    for y in (2 * row, 2 * row + 1)
                    for x in (2 * column, 2 * column + 1)
                    if y < len(image) and x < len(image)
                ]
            ).amax(0)
            for column in half
        ]
        for row in half
    ]


def stacked(image: Image, smaller: Image) -> Image:
    """An image, and under it the channels of a smaller one, blown up to its size."""
    scale = len(smaller) / len(image)
    rows = range(len(image))
    return [
        [torch.cat([image[y][x], smaller[int(y * scale)][int(x * scale)]]) for x in rows]
        for y in rows
    ]
