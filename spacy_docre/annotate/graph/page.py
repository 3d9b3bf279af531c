"""The merged graph as a page: the best supported relations, with their evidence as the text."""

import heapq
from pathlib import Path
from typing import Dict, List, Set, Tuple

from ...display.options import Options
from ...display.render import fill_template
from ...display.view import DocumentView, EntityView, RelationView, TypeView
from .merge import MergedEntity, MergedGraph, MergedRelation

# A page of so many relations has some MB, and a browser searches it in a moment.
MOST_RELATIONS = 5000


def write_page(graph: MergedGraph, path: Path) -> None:
    """Write an HTML page of the relations that most documents state, the best scores among equals.
    The title says how many relations are left out. The page draws the strongest pairs of entities.
    After a search, the page draws only pairs that match.

    graph (MergedGraph): The graph.
    path (Path): The file.
    """
    best = heapq.nlargest(
        MOST_RELATIONS, graph.relations(), key=lambda each: (each.documents, each.best_score)
    )
    view = _view(best, graph.count("relations"))
    path.write_text(fill_template("page.html", documents=[view]), encoding="utf8")


class _Evidence:
    """Evidence sentences, each once, joined into one text."""

    def __init__(self) -> None:
        self.parts: List[str] = []
        self.sentences: List[Tuple[int, int]] = []
        self._numbers: Dict[str, int] = {}
        self._length = 0

    def add(self, document: str, said: str) -> int:
        """RETURNS (int): The number of the sentence."""
        part = f"{said} ({document})\n"
        if part not in self._numbers:
            self._numbers[part] = len(self.parts)
            self.parts.append(part)
            self.sentences.append((self._length, self._length + len(part) - 1))
            self._length += len(part)
        return self._numbers[part]

    def mentions(self, name: str, sentences: List[int]) -> Set[Tuple[int, int]]:
        """RETURNS (Set[Tuple[int, int]]): The first place of a name in each of the sentences."""
        found = {(self.sentences[number][0], self.parts[number].find(name)) for number in sentences}
        return {(start + at, start + at + len(name)) for start, at in found if at >= 0}


def _view(relations: List[MergedRelation], total: int) -> DocumentView:
    """Gather what the page shows of the chosen relations, out of `total`."""
    options, evidence = Options(), _Evidence()
    entities: Dict[str, Tuple[int, MergedEntity, Set[Tuple[int, int]]]] = {}
    types: Dict[Tuple[str, str], int] = {}
    shown: List[RelationView] = []
    for number, relation in enumerate(sorted(relations, key=lambda each: -each.best_score)):
        said = [evidence.add(*each) for each in relation.evidence if each[1]]
        for entity in (relation.head, relation.tail):
            _, _, mentions = entities.setdefault(entity.id, (len(entities), entity, set()))
            mentions |= evidence.mentions(entity.name, said)
        head, tail = (entities[entity.id][0] for entity in (relation.head, relation.tail))
        kind = types.setdefault((relation.label, relation.name), len(types))
        score = round(relation.best_score, 4)
        shown.append(RelationView(number, head, tail, kind, score, said))
    labels = sorted({entity.label for _, entity, _ in entities.values()})
    left_out = total - len(relations)
    return DocumentView(
        title=f"{len(relations):,} relations" + (f", {left_out:,} left out" if left_out else ""),
        text="".join(evidence.parts),
        sentences=evidence.sentences,
        colors={label: options.color(label) for label in labels},
        entities=[
            EntityView(index, each.name, each.label, each.kb_id, sorted(mentions))
            for index, each, mentions in entities.values()
        ],
        types=[TypeView(label, name, options.shown_name(label, name)) for label, name in types],
        relations=shown,
    )
