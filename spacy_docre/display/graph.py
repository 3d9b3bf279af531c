"""The graph of a document's relations: networkx lays out the entities, here they become boxes
that do not overlap and arrows between them."""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ..extras import import_extra

# In pixels; text is estimated, since only the browser knows its fonts.
_LETTER = 7.2
_SMALL_LETTER = 6.2
_LINE = 13.0
_BOX_HEIGHT = 28.0
_PADDING = 12.0
_GAP = (44.0, 44.0)
_BEND = 0.16
_ROOT = 0.45
_SPREAD = (190.0, 105.0)
_LONGEST = 26
# Where along a line its names may stand, the best first.
_SHARES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74)

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Node:
    """An entity.

    entity (int): Its index in `doc._.entities`.
    label (str): Its text, shortened where it is long.
    x (float): The middle of its box.
    y (float): The middle of its box.
    width (float): The width of its box.
    height (float): The height of its box.
    """

    entity: int
    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Arrow:
    """A relation.

    path (str): The line, as SVG path data.
    point (str): The arrowhead, as SVG path data.
    name (str): The relation's name, shortened where it is long.
    x (float): The middle of its name.
    y (float): The middle of its name.
    """

    path: str
    point: str
    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Graph:
    """A drawing.

    nodes (List[Node]): The entities that have relations.
    arrows (List[Arrow]): An arrow for each relation, in their order.
    width (float): The width of the drawing.
    height (float): The height of the drawing.
    """

    nodes: List[Node]
    arrows: List[Arrow]
    width: float
    height: float


def draw_graph(names: Mapping[int, str], relations: Sequence[Tuple[int, int, str]]) -> Graph:
    """Lay out a document's relations. The same relations always give the same drawing.

    names (Mapping[int, str]): The text of each entity that is head or tail of one.
    relations (Sequence[Tuple[int, int, str]]): Head, tail and name of each relation.
    RETURNS (Graph): The drawing.
    RAISES (ImportError): If networkx is not installed.
    """
    if not names:
        return Graph([], [], 0, 0)
    labels = {entity: shorten(name) for entity, name in names.items()}
    sizes = {
        entity: np.array([len(label) * _LETTER + 2 * _PADDING, _BOX_HEIGHT])
        for entity, label in labels.items()
    }
    centers = _lay_out(sizes, [(head, tail) for head, tail, _ in relations])
    nodes = [
        Node(entity, labels[entity], *centers[entity].tolist(), *sizes[entity].tolist())
        for entity in names
    ]
    arrows = _draw_arrows(relations, centers, sizes)
    right = max(node.x + node.width / 2 for node in nodes)
    bottom = max(node.y + node.height / 2 for node in nodes)
    margin = 2 * _PADDING
    return Graph(nodes, arrows, right + margin, bottom + margin)


def shorten(text: str) -> str:
    """Shorten a text to what a box or an arrow can carry.

    text (str): The text.
    RETURNS (str): Its beginning, in one line.
    """
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"


def _lay_out(sizes: Mapping[int, Vector], pairs: Sequence[Tuple[int, int]]) -> Dict[int, Vector]:
    """The middle of each box: connected entities near each other, unconnected groups in rows."""
    networkx = import_extra("networkx")

    graph = networkx.Graph()
    graph.add_nodes_from(sizes)
    graph.add_edges_from(pairs)
    groups = networkx.connected_components(graph)
    drawn = [
        _lay_out_group(graph.subgraph(sorted(group)), sizes)
        for group in sorted(groups, key=lambda group: (-len(group), min(group)))
    ]
    row_width = max(
        max(extent[0] for _, extent in drawn),
        1.4 * np.sqrt(sum(extent[0] * extent[1] for _, extent in drawn)),
    )
    centers: Dict[int, Vector] = {}
    corner = np.zeros(2)
    row_height = 0.0
    for placed, extent in drawn:
        if corner[0] and corner[0] + extent[0] > row_width:
            corner = np.array([0.0, corner[1] + row_height + _GAP[1]])
            row_height = 0.0
        for entity, center in placed.items():
            centers[entity] = center + corner + 2 * _PADDING
        corner = corner + [extent[0] + 2 * _GAP[0], 0.0]
        row_height = max(row_height, extent[1])
    return centers


def _lay_out_group(graph: Any, sizes: Mapping[int, Vector]) -> Tuple[Dict[int, Vector], Vector]:
    """Lay out connected entities, the corner of their drawing at 0.

    RETURNS (Tuple[Dict[int, Vector], Vector]): The middle of each box, and width and height.
    """
    networkx = import_extra("networkx")

    entities = list(graph)
    # Its time grows with the cube of the entities.
    layout = (
        networkx.kamada_kawai_layout(graph, dist=_distances(graph))
        if len(entities) <= 80
        else networkx.spring_layout(graph, seed=0)
    )
    boxes = np.array([sizes[entity] for entity in entities])
    side = np.sqrt(len(entities)) * np.array(_SPREAD)
    centers = _push_apart(np.array([layout[entity] for entity in entities]) * side, boxes)
    corner = (centers - boxes / 2).min(0)
    extent = (centers + boxes / 2).max(0) - corner
    return dict(zip(entities, centers - corner, strict=True)), extent


def _distances(graph: Any) -> Dict[int, Dict[int, float]]:
    """The distances that a drawing should have. Roots of those in the graph: crowded parts
    get room, and long chains take less."""
    networkx = import_extra("networkx")

    return {
        entity: {other: length**_ROOT for other, length in lengths.items()}
        for entity, lengths in networkx.all_pairs_shortest_path_length(graph)
    }


def _push_apart(centers: Vector, boxes: Vector, rounds: int = 200) -> Vector:
    """Move boxes that overlap, each pair along the axis where it takes less.

    centers (Vector): Middles of the boxes, shape (boxes, 2).
    boxes (Vector): Width and height of the boxes, shape (boxes, 2).
    rounds (int): The most rounds.
    RETURNS (Vector): Their new middles, shape (boxes, 2).
    """
    needed = (boxes[:, None] + boxes) / 2 + _GAP
    first, second = np.triu_indices(len(centers), k=1)
    for _ in range(rounds):
        offsets = centers[first] - centers[second]
        overlaps = needed[first, second] - np.abs(offsets)
        touching = (overlaps > 0.5).all(1)
        if not touching.any():
            break
        axis = overlaps.argmin(1)
        for pair in np.flatnonzero(touching):
            step = overlaps[pair, axis[pair]] / 2
            direction = 1.0 if offsets[pair, axis[pair]] >= 0 else -1.0
            centers[first[pair], axis[pair]] += direction * step
            centers[second[pair], axis[pair]] -= direction * step
    return centers


def _draw_arrows(
    relations: Sequence[Tuple[int, int, str]],
    centers: Mapping[int, Vector],
    sizes: Mapping[int, Vector],
) -> List[Arrow]:
    """An arrow a relation. Those of the same head and tail share a line, on which their names
    are stacked; lines there and back bend to different sides."""
    by_pair: Dict[Tuple[int, int], List[int]] = {}
    for index, (head, tail, _) in enumerate(relations):
        by_pair.setdefault((head, tail), []).append(index)
    lines = {
        (head, tail): _Line.between(
            centers[head],
            sizes[head],
            centers[tail],
            sizes[tail],
            _BEND if (tail, head) in by_pair else 0.0,
        )
        for head, tail in by_pair
    }
    taken = [_box(centers[entity], sizes[entity]) for entity in centers]
    arrows: Dict[int, Arrow] = {}
    for pair, indices in by_pair.items():
        names = [shorten(relations[index][2]) for index in indices]
        size = np.array([max(map(len, names)) * _SMALL_LETTER, len(names) * _LINE])
        boxes = [_box(lines[pair].at(share), size) for share in _SHARES]
        others = np.array(taken)
        box = boxes[int(np.argmin([_overlap(box, others) for box in boxes]))]
        taken.append(box)
        for row, (index, name) in enumerate(zip(indices, names, strict=True)):
            arrows[index] = Arrow(
                path=lines[pair].path,
                point=lines[pair].point,
                name=name,
                x=float(box[:, 0].mean()),
                y=float(box[0, 1] + (row + 0.5) * _LINE),
            )
    return [arrows[index] for index in range(len(relations))]


@dataclass(frozen=True)
class _Line:
    """A quadratic curve from box to box.

    start (Vector): Where it leaves the head's box.
    control (Vector): Its control point.
    end (Vector): Where it meets the tail's box.
    """

    start: Vector
    control: Vector
    end: Vector

    @classmethod
    def between(
        cls, head: Vector, head_box: Vector, tail: Vector, tail_box: Vector, bend: float
    ) -> "_Line":
        across = np.array([head[1] - tail[1], tail[0] - head[0]])
        control = (head + tail) / 2 + bend * across
        start, end = _leave_box(head, head_box, control), _leave_box(tail, tail_box, control)
        return cls(start, control, end)

    def at(self, share: float) -> Vector:
        """The point after a share of the way."""
        rest = 1 - share
        return rest**2 * self.start + 2 * rest * share * self.control + share**2 * self.end

    @property
    def _direction(self) -> Vector:
        way = self.end - self.control
        return way / max(float(np.linalg.norm(way)), 1e-9)

    @property
    def path(self) -> str:
        end = self.end - 7 * self._direction
        return f"M{_point(self.start)} Q{_point(self.control)} {_point(end)}"

    @property
    def point(self) -> str:
        back = self.end - 9 * self._direction
        side = 4 * np.array([-self._direction[1], self._direction[0]])
        return f"M{_point(self.end)} L{_point(back + side)} L{_point(back - side)} Z"


def _box(center: Vector, size: Vector) -> Vector:
    """First and last corner, shape (2, 2)."""
    return np.array([center - size / 2, center + size / 2])


def _overlap(box: Vector, others: Vector) -> float:
    """The area that a box shares with others, shape (others, 2, 2)."""
    sides = np.minimum(box[1], others[:, 1]) - np.maximum(box[0], others[:, 0])
    return float(np.maximum(sides, 0).prod(1).sum())


def _leave_box(center: Vector, box: Vector, target: Vector) -> Vector:
    """Where the line from the middle of a box to a target leaves it."""
    offset = target - center
    reach = (box / 2 + 3) / np.maximum(np.abs(offset), 1e-9)
    return center + offset * min(float(reach.min()), 1.0)


def _point(point: Vector) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
