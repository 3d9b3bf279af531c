"""Group the names of a document by entity."""

from collections import defaultdict
from typing import Dict, Hashable, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from .rules import NameKey, NameRules


class NameGroups:
    """The names of a document, grouped by entity.

    rules (NameRules): The rules by which names are compared.
    names (Sequence[NameKey]): The name of each mention.
    known (Sequence[Optional[Hashable]]): The entity of each mention, if it is known.
    apposed (Iterable[Tuple[NameKey, NameKey]]): Pairs of names that the text gives for one entity.
    """

    def __init__(
        self,
        rules: NameRules,
        names: Sequence[NameKey],
        known: Sequence[Optional[Hashable]],
        apposed: Iterable[Tuple[NameKey, NameKey]],
    ) -> None:
        self.rules = rules
        # Names in the order of their first mentions.
        self.order: Dict[NameKey, int] = {}
        found: Dict[NameKey, Set[Hashable]] = defaultdict(set)
        for number, (name, entity) in enumerate(zip(names, known, strict=True)):
            self.order.setdefault(name, number)
            if entity is not None:
                found[name].add(entity)
        # If a name is known for several entities, its other mentions are an entity of their own.
        self._known: Mapping[NameKey, Hashable] = {
            name: next(iter(entities)) if len(entities) == 1 else name
            for name, entities in found.items()
        }
        self._joined: Dict[NameKey, NameKey] = {}
        self.short: Set[NameKey] = set()
        for first, second in apposed:
            self._join(first, second)
        self._join_kinds()
        self._join_demonyms()
        self._join_short_forms()

    def entity(self, name: NameKey) -> Hashable:
        """Find the entity of a name, for mentions whose entity is not known.

        name (NameKey): The name.
        RETURNS (Hashable): The known entity of the name's group, or the name that stands for the
            group.
        """
        root = self._root(name)
        return self._known.get(root, root)

    def _root(self, name: NameKey) -> NameKey:
        while name in self._joined:
            name = self._joined[name]
        return name

    def _join(self, first: NameKey, second: NameKey) -> None:
        """Join two groups, unless the entities of both are known."""
        kept, other = self._root(first), self._root(second)
        if other in self._known:
            kept, other = other, kept
        if kept != other and other not in self._known:
            self._joined[other] = kept

    def _join_kinds(self) -> None:
        """Join names with the same words and different labels. Demonyms are left out, since a
        demonym may also be a language."""
        by_words: Dict[Tuple[str, ...], NameKey] = {}
        for name in self.order:
            if name.kind in self.rules.proper_kinds and name.words not in self.rules.demonyms:
                self._join(by_words.setdefault(name.words, name), name)

    def _join_demonyms(self) -> None:
        for name in self.order if self.rules.group_demonyms else ():
            places = self.rules.places.get(name, set()) & self.order.keys()
            if len(places) == 1:
                self._join(next(iter(places)), name)

    def _join_short_forms(self) -> None:
        """Join short forms with their full names. Longer names come first, so that a short form
        finds the entities of all its full names. A full name must be mentioned before its short
        form, unless the short form is an abbreviation."""
        holders: Dict[NameKey, List[NameKey]] = defaultdict(list)
        for name in sorted(self.order, key=_length, reverse=True):
            full = [holder for holder in holders[name] if self._may_shorten(holder, name)]
            if full and name not in self._known:
                first = min(full, key=self.order.__getitem__)
                entities = {self._root(holder) for holder in full}
                if len(entities) == 1 or name.kind in self.rules.first_named:
                    self._join(first, name)
                    self.short.add(name)
            for short_form in self.rules.shorten(name):
                holders[short_form].append(name)

    def _may_shorten(self, full: NameKey, short: NameKey) -> bool:
        return self.order[full] < self.order[short] or short in self.rules.abbreviate(full)


def _length(name: NameKey) -> Tuple[int, int, Tuple[str, ...]]:
    """Sort by words, then by characters. The words themselves give every run the same order."""
    return len(name.words), sum(map(len, name.words)), name.words
