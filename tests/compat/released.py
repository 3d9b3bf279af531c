"""The released models of KD-DocRE and ATLOP, written down plainly: random state dicts by their
names, and the logits that follow from them. It shares no code with the package."""

from typing import Any, Dict, List, Sequence, Tuple

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

HEADS = 8
SIZE = 42


def random_state(folder: str, num_classes: int, *, kind: str, depth: int = 2) -> Dict[str, Tensor]:
    """A state dict with the encoder of a folder, changed a little, and random weights."""
    torch.manual_seed(0)
    encoder = AutoModel.from_pretrained(folder)
    hidden, width, block = encoder.config.hidden_size, 16, 4
    state = {
        f"model.{name}": value + 0.01 * torch.randn_like(value)
        if value.is_floating_point()
        else value
        for name, value in encoder.state_dict().items()
    }
    state["model.embeddings.position_ids"] = torch.arange(8)[None]

    def linear(name: str, rows: int, columns: int, *, bias: bool = True) -> None:
        state[f"{name}.weight"] = torch.randn(rows, columns) / columns**0.5
        if bias:
            state[f"{name}.bias"] = torch.randn(rows)

    for name in ("head_extractor", "tail_extractor"):
        linear(name, width, 2 * hidden)
    linear("bilinear", num_classes, width * block)
    if kind == "atlop":
        return state
    linear("projection", hidden, width * block, bias=False)
    linear("classifier", num_classes, hidden)
    for layer in range(depth):
        for axis in range(2):
            name = f"axial_transformer.axial_attns.{layer}.axial_attentions.{axis}.fn"
            linear(f"{name}.to_q", hidden, hidden, bias=False)
            linear(f"{name}.to_kv", 2 * hidden, hidden, bias=False)
            linear(f"{name}.to_out", hidden, hidden)
        linear(f"axial_transformer.ffns.{layer}", hidden, hidden)
        state[f"axial_transformer.lns.{layer}.weight"] = torch.rand(hidden) + 0.5
        state[f"axial_transformer.lns.{layer}.bias"] = torch.randn(hidden)
    return state


def logits(
    state: Dict[str, Tensor],
    folder: str,
    words: Sequence[str],
    entities: Sequence[Sequence[Sequence[int]]],
) -> Tensor:
    """The logits of all pairs of entities, given the first and the end token of each mention,
    shape (entities, entities, classes)."""
    hidden, embeddings, attentions = _embed(state, folder, words, entities)
    is_atlop = "projection.weight" not in state
    size = len(entities) if is_atlop else max(SIZE, len(entities))
    width = hidden.shape[1]
    block = (state["bilinear.weight"] if is_atlop else state["projection.weight"]).shape[1]
    block //= state["head_extractor.weight"].shape[0]
    products = torch.empty(size, size, state["head_extractor.weight"].shape[0] * block)
    for s in range(size):
        for o in range(size):
            head = tail = context = torch.zeros(width)
            if s < len(entities) and o < len(entities):
                head, tail = embeddings[s], embeddings[o]
                if is_atlop:
                    shared = (attentions[s] * attentions[o]).mean(0)
                    shared = shared / (shared.sum() + 1e-5)
                else:
                    shared = (attentions[s] * attentions[o]).sum(0)
                    shared = shared / (shared.sum() + 1e-10)
                context = hidden.T @ shared
            z_s = torch.tanh(_linear(state, "head_extractor", torch.cat([head, context])))
            z_o = torch.tanh(_linear(state, "tail_extractor", torch.cat([tail, context])))
            products[s, o] = torch.cat(
                [
                    torch.outer(one, other).flatten()
                    for one, other in zip(z_s.split(block), z_o.split(block), strict=True)
                ]
            )
    if is_atlop:
        return _linear(state, "bilinear", products)
    table = products @ state["projection.weight"].T
    encoded = _encode_pairs(state, table)
    return _linear(state, "classifier", encoded + table)[: len(entities), : len(entities)]


def _embed(
    state: Dict[str, Tensor],
    folder: str,
    words: Sequence[str],
    entities: Sequence[Sequence[Sequence[int]]],
) -> Tuple[Tensor, List[Tensor], List[Tensor]]:
    """H, and the embedding and the attention of each entity."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoder = AutoModel.from_pretrained(folder, attn_implementation="eager")
    own = {name[6:]: value for name, value in state.items() if name.startswith("model.")}
    encoder.load_state_dict(own, strict=False)
    first = {start for mentions in entities for start, _ in mentions}
    last = {end - 1 for mentions in entities for _, end in mentions}
    pieces: List[str] = []
    begins = {}
    for index, word in enumerate(words):
        begins[index] = len(pieces)
        pieces += ["*"] * (index in first) + tokenizer.tokenize(word) + ["*"] * (index in last)
    ids = tokenizer.build_inputs_with_special_tokens(tokenizer.convert_tokens_to_ids(pieces))
    with torch.no_grad():
        output = encoder.eval()(input_ids=torch.tensor([ids]), output_attentions=True)
    hidden, attention = output.last_hidden_state[0], output.attentions[-1][0]
    # A mention is its marker, behind the first special token.
    indices = [[1 + begins[start] for start, _ in mentions] for mentions in entities]
    embeddings = [hidden[rows].exp().sum(0).log() for rows in indices]
    attentions = [attention[:, rows].mean(1) for rows in indices]
    return hidden, embeddings, attentions


def _encode_pairs(state: Dict[str, Tensor], table: Tensor) -> Tensor:
    """Axial attention over the table of pairs, shape (size, size, width)."""
    found = table
    for layer in range(sum(name.startswith("axial_transformer.lns") for name in state) // 2):
        name = f"axial_transformer.axial_attns.{layer}.axial_attentions"
        # The first axis is that of heads: each pair attends to those of the same tail.
        heads = _attend(state, f"{name}.0.fn", found.transpose(0, 1)).transpose(0, 1)
        found = found + heads + _attend(state, f"{name}.1.fn", found)
        found = _linear(state, f"axial_transformer.ffns.{layer}", found)
        norm = f"axial_transformer.lns.{layer}"
        found = torch.nn.functional.layer_norm(
            found, (table.shape[-1],), state[f"{norm}.weight"], state[f"{norm}.bias"]
        )
    return found


def _linear(state: Dict[str, Any], name: str, values: Tensor) -> Tensor:
    return values @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def _attend(state: Dict[str, Tensor], name: str, lines: Tensor) -> Tensor:
    """Each pair of each line attends to the pairs of its line."""
    queries = lines @ state[f"{name}.to_q.weight"].T
    keys, values = (lines @ state[f"{name}.to_kv.weight"].T).chunk(2, dim=-1)
    gathered = []
    for query, key, value in zip(
        *(part.chunk(HEADS, dim=-1) for part in (queries, keys, values)), strict=True
    ):
        scores = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5
        gathered.append(scores.softmax(-1) @ value)
    return _linear(state, f"{name}.to_out", torch.cat(gathered, dim=-1))
