"""A plain implementation with the shapes of the authors' released code, for comparison.

All layers return their attention, entities are pooled one by one, and every document is
padded to a table of 42 x 42 pairs. It is written from the paper and the table of differences
in docs/concepts/paper-and-code.md. Its weights are random.
"""

from typing import List

import torch
from torch import Tensor, nn

TABLE = 42


class ReferenceAxialLayer(nn.Module):
    """Attention along both axes in parallel, then a linear map and layer normalisation."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.axes = nn.ModuleList(
            nn.MultiheadAttention(width, heads, batch_first=True) for _ in range(2)
        )
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, table: Tensor) -> Tensor:
        batch, size, _, width = table.shape
        total = table
        for axis, attention in enumerate(self.axes):
            lines = table.transpose(1, 2) if axis == 0 else table
            lines = lines.reshape(batch * size, size, width)
            found = attention(lines, lines, lines, need_weights=True)[0]
            found = found.view(batch, size, size, width)
            total = total + (found.transpose(1, 2) if axis == 0 else found)
        return self.norm(self.linear(total))


class ReferenceModel(nn.Module):
    """Encoder and head.

    encoder (nn.Module): A Hugging Face transformer that returns the attention of all layers.
    num_labels (int): Number of relations, and TH.
    """

    def __init__(self, encoder: nn.Module, num_labels: int, width: int = 1024) -> None:
        super().__init__()
        self.encoder = encoder
        hidden = encoder.config.hidden_size
        self.width, self.block = width, 64
        self.head = nn.Linear(2 * hidden, width)
        self.tail = nn.Linear(2 * hidden, width)
        self.projection = nn.Linear(width * self.block, hidden, bias=False)
        self.axial = nn.Sequential(*(ReferenceAxialLayer(hidden, 8) for _ in range(6)))
        self.classifier = nn.Linear(hidden, num_labels)

    def forward(self, input_ids: Tensor, mask: Tensor, mentions: List[List[List[int]]]) -> Tensor:
        """Score a batch.

        input_ids (Tensor): Word pieces, shape (documents, pieces).
        mask (Tensor): Their attention mask.
        mentions (List[List[List[int]]]): For each document and entity, the first piece of
            each mention.
        RETURNS (Tensor): Logits, shape (documents, 42, 42, num_labels).
        """
        output = self.encoder(input_ids, attention_mask=mask, output_attentions=True)
        heads, tails, contexts = [], [], []
        for index, entities in enumerate(mentions):
            hidden, attention = output.last_hidden_state[index], output.attentions[-1][index]
            embedded = torch.stack([hidden[e].logsumexp(0) for e in entities])
            attended = torch.stack([attention[:, e].mean(1) for e in entities])
            size = len(entities)
            s = torch.arange(size).repeat_interleave(size)
            o = torch.arange(size).repeat(size)
            shared = (attended[s] * attended[o]).sum(1)
            shared = shared / (shared.sum(1, keepdim=True) + 1e-10)
            for rows, into in (
                (embedded[s], heads),
                (embedded[o], tails),
                (shared @ hidden, contexts),
            ):
                table = hidden.new_zeros(TABLE, TABLE, hidden.shape[1])
                table[:size, :size] = rows.view(size, size, -1)
                into.append(table)
        context = torch.stack(contexts)
        head = torch.tanh(self.head(torch.cat([torch.stack(heads), context], dim=3)))
        tail = torch.tanh(self.tail(torch.cat([torch.stack(tails), context], dim=3)))
        blocks = (self.width // self.block, self.block)
        outer = head.unflatten(3, blocks).unsqueeze(5) * tail.unflatten(3, blocks).unsqueeze(4)
        table = self.projection(outer.flatten(3))
        return self.classifier(self.axial(table) + table)
