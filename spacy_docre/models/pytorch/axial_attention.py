"""Equation 7: axial attention over the table of entity pairs."""

from typing import Callable, List, Literal, cast

import torch
from torch import Tensor, nn

from .documents import PairLayout

Order = Literal["sequential", "parallel"]


class AxialAttention(nn.Module):
    """Let each pair (s, o) attend to the pairs that share its tail or its head.

    In sequence, as in the paper: first along the column, r' = g + sum over p of
    softmax_p(q_(s,o) . k_(p,o)) v_(p,o), then along the row, r = r' + sum over p of
    softmax_p(q'_(s,o) . k'_(s,p)) v'_(s,p). As usual in attention of several heads, q . k is
    divided by the root of a head's width, and a linear map joins the heads. In parallel, as
    in the authors' released code: both attend to g and are added to it together. The
    diagonal (s, s) is no pair and takes no part.

    width (int): Width of g.
    depth (int): Number of layers, each a column and a row.
    heads (int): Attention heads; must divide `width`.
    order (Order): "sequential" or "parallel".
    transform (bool): End each layer with a linear map and layer normalisation, and add
        the table that came in at the very end, as in the released code.
    RAISES (ValueError): If `heads` does not divide `width`, or `order` is unknown.
    """

    def __init__(
        self, width: int, *, depth: int, heads: int, order: Order, transform: bool
    ) -> None:
        super().__init__()
        if order not in ("sequential", "parallel"):
            raise ValueError(f"order = {order!r} is not one of 'sequential', 'parallel'.")
        self.adds_input = transform
        self.layers = nn.ModuleList(
            AxialLayer(width, heads, order, transform) for _ in range(depth)
        )

    def forward(self, table: Tensor, layout: PairLayout) -> Tensor:
        """Attend.

        table (Tensor): g of every pair, shape (pairs, width).
        layout (PairLayout): Where each pair is.
        RETURNS (Tensor): r of every pair, shape (pairs, width).
        """
        output = table
        for layer in self.layers:
            output = layer(output, layout)
        return output + table if self.adds_input else output


class PaddedAxialAttention(AxialAttention):
    """Axial attention as the authors' released code computes it: over the whole square of
    entities, with the diagonal (s, s) and with padding, which nothing masks, so that the result
    depends on the size it is padded to. Its weights are those of `AxialAttention`.

    size (int): Entities that the table is padded to; a document with more is not padded. The
        released code has 42, and takes no more.
    width, depth, heads, order, transform: As in `AxialAttention`.
    """

    def __init__(
        self, width: int, *, depth: int, heads: int, order: Order, transform: bool, size: int
    ) -> None:
        super().__init__(width, depth=depth, heads=heads, order=order, transform=transform)
        self.size = size

    def forward_square(
        self, table: Tensor, layout: PairLayout, diagonal: Tensor, padding: Tensor
    ) -> Tensor:
        """Attend.

        table (Tensor): g of every pair, shape (pairs, width).
        layout (PairLayout): Where each pair is.
        diagonal (Tensor): g of every entity with itself, shape (entities, width).
        padding (Tensor): g of padding, shape (width,).
        RETURNS (Tensor): r of every pair, shape (pairs, width).
        """
        outputs = []
        parts = zip(
            layout.num_entities, table.split(layout.num_pairs), diagonal.split(layout.num_entities)
        )
        for n, pairs, own in parts:
            size = max(n, self.size)
            off_diagonal = ~torch.eye(n, dtype=torch.bool, device=table.device)
            document = pairs.new_empty(n, n, pairs.shape[1])
            document[off_diagonal] = pairs
            document[~off_diagonal] = own.to(pairs.dtype)
            square = padding.to(pairs.dtype).expand(size, size, -1).clone()
            square[:n, :n] = document
            for layer in self.layers:
                square = cast(AxialLayer, layer).forward_square(square)
            outputs.append(square[:n, :n][off_diagonal])
        output = torch.cat(outputs)
        return output + table if self.adds_input else output


class AxialLayer(nn.Module):
    """One column attention and one row attention."""

    def __init__(self, width: int, heads: int, order: Order, transform: bool) -> None:
        super().__init__()
        self.order = order
        self.column = LineAttention(width, heads)
        self.row = LineAttention(width, heads)
        self.transform = (
            nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width)) if transform else None
        )

    def forward(self, table: Tensor, layout: PairLayout) -> Tensor:
        """Attend along both axes. Arguments and result as in `AxialAttention`."""
        return self._attend(
            table,
            lambda table: self.column(table[layout.transposed], layout.num_entities)[
                layout.transposed
            ],
            lambda table: self.row(table, layout.num_entities),
        )

    def forward_square(self, square: Tensor) -> Tensor:
        """Attend along both axes of a square table.

        square (Tensor): The table, shape (heads, tails, width).
        RETURNS (Tensor): What becomes of it, of the same shape.
        """
        return self._attend(
            square,
            lambda square: self.column.attend(square.transpose(0, 1)).transpose(0, 1),
            self.row.attend,
        )

    def _attend(
        self,
        table: Tensor,
        column: Callable[[Tensor], Tensor],
        row: Callable[[Tensor], Tensor],
    ) -> Tensor:
        if self.order == "sequential":
            table = table + column(table)
            table = table + row(table)
        else:
            table = table + column(table) + row(table)
        return table if self.transform is None else self.transform(table)


class LineAttention(nn.Module):
    """Multi-head attention within each line (row or column) of the pair tables."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads != 0:
            raise ValueError(
                f"heads = {heads} does not divide the width of the pair table, {width}."
            )
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width)

    def forward(self, table: Tensor, num_entities: List[int]) -> Tensor:
        """Attend.

        table (Tensor): The pairs, line by line: a document with n entities has n lines
            of n - 1 pairs, shape (pairs, width).
        num_entities (List[int]): Entities of each document.
        RETURNS (Tensor): What each pair gathered, shape (pairs, width).
        """
        projected = self.query_key_value(table)
        documents = projected.split([n * (n - 1) for n in num_entities])
        gathered = [
            self._gather(document.unflatten(0, (n, n - 1))).flatten(0, 1)
            for n, document in zip(num_entities, documents)
        ]
        return self.output(torch.cat(gathered))

    def attend(self, lines: Tensor) -> Tensor:
        """Attend within lines of one length.

        lines (Tensor): The lines, shape (lines, length, width).
        RETURNS (Tensor): What each gathered, of the same shape.
        """
        return self.output(self._gather(self.query_key_value(lines)))

    def _gather(self, projected: Tensor) -> Tensor:
        """From queries, keys and values, shape (lines, length, 3 * width), to what each gathers,
        shape (lines, length, width)."""
        query, key, value = projected.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        line = nn.functional.scaled_dot_product_attention(query, key, value)
        return line.transpose(1, 2).flatten(2)
