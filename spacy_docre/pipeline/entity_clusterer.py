"""The component `entity_clusterer`."""

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any, Callable, Dict, Hashable, Iterator, List, Optional, Set, Tuple

from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc, Span

from ..coreference import coref_clusters
from ..entity_sources import DEFAULT_KEY, known_entities
from ..mentions import forget_merged, linked_ids, mark_best_names
from .names import NameGroups, NameKey, NameRules

NamePair = Tuple[NameKey, NameKey]

# The number of tokens that are read between two names, and after them.
_REACH = 6


@Language.factory(
    "entity_clusterer",
    assigns=["doc.spans"],
    requires=["doc.ents"],
    default_config={
        "rules": {"@misc": "spacy_docre.NameRules.v1"},
        "key": DEFAULT_KEY,
        "coref_prefix": "coref_clusters",
        "overwrite": False,
        "determiners": True,
        "scorer": {"@scorers": "spacy_docre.entity_cluster_scorer.v1"},
    },
    default_score_weights={"cluster_lea_f": 0.0, "cluster_b3_f": 0.0, "cluster_ceafe_f": 0.0},
)
def make_entity_clusterer(
    nlp: Language,
    name: str,
    rules: NameRules,
    key: str,
    coref_prefix: Optional[str],
    overwrite: bool,
    determiners: bool,
    scorer: Optional[Callable[..., Dict[str, Any]]],
) -> "EntityClusterer":
    """Construct an EntityClusterer. Arguments as in `EntityClusterer`.

    nlp (Language): The pipeline.
    """
    return EntityClusterer(
        name,
        rules,
        key=key,
        coref_prefix=coref_prefix,
        overwrite=overwrite,
        determiners=determiners,
        scorer=scorer,
    )


class EntityClusterer(Pipe):
    """Group the mentions in `doc.ents` into the document's entities, by their names.

    The component writes the entities to a span group, where the mentions of an entity share
    `span.id_`. Two mentions belong to one entity if they have the same kind and the same name, or
    if one is a short form that fits only one entity of the document. Better sources come first:
    mentions that share `ent_id_`, `kb_id_` or a coreference cluster belong to one entity,
    even if their names differ. Mentions with different ids belong to different entities. The id
    of a linker or a ruler becomes the `kb_id_` of the mention in the group.

    name (str): The name of the component instance.
    rules (NameRules): The rules by which names are compared.
    key (str): The key of the group in `doc.spans`.
    coref_prefix (Optional[str]): The prefix of the keys of coreference clusters in `doc.spans`;
        None to ignore clusters.
    overwrite (bool): Whether to replace a group that the document has already.
    determiners (bool): Whether mentions in the group keep a determiner at their beginning. Names in
        OntoNotes have it ("the University of Vienna"), names in DocRED have not.
    scorer (Optional[Callable]): The scoring method.
    """

    def __init__(
        self,
        name: str,
        rules: NameRules,
        *,
        key: str = DEFAULT_KEY,
        coref_prefix: Optional[str] = "coref_clusters",
        overwrite: bool = False,
        determiners: bool = True,
        scorer: Optional[Callable[..., Dict[str, Any]]] = None,
    ) -> None:
        self.name = name
        self.rules = rules
        self.key = key
        self.coref_prefix = coref_prefix
        self.overwrite = overwrite
        self.determiners = determiners
        self.scorer = scorer

    def __call__(self, doc: Doc) -> Doc:
        """Group the mentions of a document. If nothing has set `doc.ents`, the document stays
        unchanged, so that later components can report the missing entities.

        doc (Doc): The document.
        RETURNS (Doc): The same document, with its span group.
        """
        has_mentions = len(doc) == 0 or doc.has_annotation("ENT_IOB")
        if has_mentions and (self.overwrite or self.key not in doc.spans):
            mentions = list(doc.ents)
            names = [self.rules.normalize(mention.text, mention.label_) for mention in mentions]
            known = self._known_entities(doc)
            groups = NameGroups(self.rules, names, known, self._apposed(mentions, names))
            numbers: Dict[Hashable, int] = {}
            entities = [
                numbers.setdefault(groups.entity(name) if entity is None else entity, len(numbers))
                for name, entity in zip(names, known, strict=True)
            ]
            # Read the ids before the group exists: its numbers may equal ids that a ruler set.
            linked = linked_ids(doc)
            spans = [
                Span(
                    doc,
                    self._start(mention),
                    mention.end,
                    label=mention.label,
                    kb_id=linked[mention.start, mention.end],
                    span_id=str(entity),
                )
                for mention, entity in zip(mentions, entities, strict=True)
            ]
            doc.spans[self.key] = spans
            forget_merged(doc)
            mark_best_names(doc, self._best_names(spans, names, entities, groups))
        return doc

    def _start(self, mention: Span) -> int:
        """Return the first token of a mention in the group."""
        is_name = self.determiners or len(mention) == 1 or mention[1].is_punct
        return mention.start + (not is_name and mention[0].lower_ in self.rules.determiners)

    def _apposed(self, mentions: List[Span], names: List[NameKey]) -> Iterator[NamePair]:
        """Yield pairs of names that the text gives for one entity. The second name of a pair
        occurs for the first time."""
        seen = set(names[:1])
        pairs = zip(pairwise(mentions), pairwise(names), strict=True)
        for (mention, following), (name, new) in pairs:
            if new in seen:
                continue
            seen.add(new)
            doc, end = mention.doc, following.end
            if (
                name.kind == new.kind
                and name.kind in self.rules.proper_kinds
                and following.start - mention.end <= _REACH
                and self.rules.appositions.hold(
                    name.kind,
                    doc[mention.end : following.start].text,
                    doc[end : end + _REACH].text,
                    name.words[0][:1] == new.words[0][:1],
                )
            ):
                yield name, new

    def _best_names(
        self,
        mentions: List[Span],
        names: List[NameKey],
        entities: List[int],
        groups: NameGroups,
    ) -> Iterator[Tuple[Span, List[Span]]]:
        """Yield the best mention of each entity, and all its mentions. The best is the longest
        mention of the most frequent name. Short forms and demonyms come last."""
        texts = Counter(mention.text for mention in mentions)
        members: Dict[int, List[int]] = defaultdict(list)
        for number, entity in enumerate(entities):
            members[entity].append(number)
        for numbers in members.values():
            counts = Counter(names[number] for number in numbers)

            def rank(number: int, counts: "Counter[NameKey]" = counts) -> Tuple[Any, ...]:
                mention, name = mentions[number], names[number]
                return (
                    name.words not in self.rules.demonyms,
                    name not in groups.short,
                    counts[name],
                    # Of equally frequent names the first. All mentions of a name are equal here.
                    -groups.order[name],
                    self.rules.size(mention.text, mention.label_),
                    texts[mention.text],
                    not mention.text.isupper(),
                    -len(mention.text),
                )

            yield mentions[max(numbers, key=rank)], [mentions[number] for number in numbers]

    def _known_entities(self, doc: Doc) -> List[Optional[Hashable]]:
        """Find the entity of each mention by its id or cluster; None for a mention without one."""
        found = {} if self.coref_prefix is None else coref_clusters(doc, self.coref_prefix)
        cluster_by_span = {
            (span.start, span.end): key for key, spans in found.items() for span in spans
        }
        ids = known_entities(doc)
        clusters = [cluster_by_span.get((mention.start, mention.end)) for mention in doc.ents]
        ids_by_cluster: Dict[Optional[str], Set[Hashable]] = defaultdict(set)
        for id_, cluster in zip(ids, clusters, strict=True):
            if id_ is not None:
                ids_by_cluster[cluster].add(id_)
        known: List[Optional[Hashable]] = []
        for id_, cluster in zip(ids, clusters, strict=True):
            if id_ is None and cluster is not None:
                known.append(_only(ids_by_cluster[cluster]) or ("cluster", cluster))
            else:
                known.append(id_)
        return known


def _only(items: Set[Any]) -> Any:
    """Return the only item of a set, or None if it has no item or several."""
    return next(iter(items)) if len(items) == 1 else None
