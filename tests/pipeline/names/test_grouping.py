"""Names to entities."""

from typing import Dict, List, Sequence, Tuple

import pytest

from spacy_docre.pipeline.names import NameGroups, make_name_rules

Mention = Tuple[str, str]
PER, LOC, ORG = "PER", "LOC", "ORG"


def groups_of(
    mentions: Sequence[Mention],
    apposed: Sequence[Tuple[int, int]] = (),
    known: Dict[int, str] = {},
    group_demonyms: bool = False,
) -> List[str]:
    """The text of the first mention in the group of each."""
    rules = make_name_rules("en", group_demonyms=group_demonyms)
    names = [rules.normalize(*mention) for mention in mentions]
    entities = [known.get(index) for index in range(len(names))]
    pairs = [(names[first], names[second]) for first, second in apposed]
    groups = NameGroups(rules, names, entities, pairs)
    found = [
        groups.entity(name) if entity is None else entity
        for name, entity in zip(names, entities, strict=True)
    ]
    return [mentions[found.index(entity)][0] for entity in found]


def test_apposed_names_and_their_short_forms() -> None:
    mentions = [("Ada Lane", PER), ("Anna Falk", PER), ("Falk", PER)]
    assert groups_of(mentions) == ["Ada Lane", "Anna Falk", "Anna Falk"]
    assert groups_of(mentions, [(0, 1)]) == ["Ada Lane"] * 3


def test_known_entities_are_not_joined() -> None:
    mentions = [("Oslo", LOC), ("Christiania", LOC), ("Oslo", ORG)]
    assert groups_of(mentions, [(0, 1)]) == ["Oslo"] * 3
    assert groups_of(mentions, [(0, 1)], {0: "Q1", 1: "Q2"}) == ["Oslo", "Christiania", "Oslo"]


@pytest.mark.parametrize("group_demonyms", [False, True])
def test_demonyms(group_demonyms: bool) -> None:
    mentions = [("American", LOC), ("U.S.", LOC), ("French", LOC), ("Dominican", LOC)]
    mentions += [("the Dominican Republic", "GPE"), ("Dominica", "GPE")]
    found = groups_of(mentions, group_demonyms=group_demonyms)
    assert (found[1] == "American") == group_demonyms
    # Its place is not there, or it may be of two.
    assert found[2:] == ["French", "Dominican", "the Dominican Republic", "Dominica"]


def test_abbreviations_may_come_first() -> None:
    names = ["WHO", "Health Organization", "World Health Organization"]
    assert groups_of([(name, ORG) for name in names]) == ["WHO", "Health Organization", "WHO"]
