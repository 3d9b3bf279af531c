"""The component `entity_clusterer`."""

from collections import defaultdict
from typing import Any, Callable, Dict, Hashable, List, Optional, Set, Tuple

from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc, Span

from ..coreference import coref_clusters
from ..entity_sources import DEFAULT_KEY, known_entities
from ..mentions import forget_merged
from .names import NameKey, NameRules


@Language.factory(
    "entity_clusterer",
    assigns=["doc.spans"],
    requires=["doc.ents"],
    default_config={
        "rules": {"@misc": "spacy_docre.NameRules.v1"},
        "key": DEFAULT_KEY,
        "coref_prefix": "coref_clusters",
        "overwrite": False,
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
    scorer: Optional[Callable[..., Dict[str, Any]]],
) -> "EntityClusterer":
    """Construct an EntityClusterer. Arguments as in `EntityClusterer`.

    nlp (Language): The pipeline.
    """
    return EntityClusterer(
        name, rules, key=key, coref_prefix=coref_prefix, overwrite=overwrite, scorer=scorer
    )


class EntityClusterer(Pipe):
    """Group the mentions in `doc.ents` into the document's entities, by their names.

    It writes them to a span group, where the mentions of an entity share `span.id_`. Mentions
    are of one entity if they are of one kind and have the same name, or if one is a short
    form that only one entity of the document may take. Better sources come first: mentions
    that share `ent_id_`, `kb_id_` or a coreference cluster are of one entity, whatever
    their names, and mentions that differ in their id are not.

    name (str): The name of the component instance.
    rules (NameRules): The rules by which names are compared.
    key (str): The key of the group in `doc.spans`.
    coref_prefix (Optional[str]): What the keys of coreference clusters in `doc.spans` begin
        with; None to read none.
    overwrite (bool): Whether to write the group where the document has one already.
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
        scorer: Optional[Callable[..., Dict[str, Any]]] = None,
    ) -> None:
        self.name = name
        self.rules = rules
        self.key = key
        self.coref_prefix = coref_prefix
        self.overwrite = overwrite
        self.scorer = scorer

    def __call__(self, doc: Doc) -> Doc:
        """Group the mentions of a document. One whose `doc.ents` nothing has set stays as
        it is, so that whatever needs entities can say that they are missing.

        doc (Doc): The document.
        RETURNS (Doc): The same document, with its span group.
        """
        has_mentions = len(doc) == 0 or doc.has_annotation("ENT_IOB")
        if has_mentions and (self.overwrite or self.key not in doc.spans):
            numbers: Dict[Hashable, int] = {}
            doc.spans[self.key] = [
                Span(
                    doc,
                    mention.start,
                    mention.end,
                    label=mention.label,
                    kb_id=mention.kb_id,
                    span_id=str(numbers.setdefault(entity, len(numbers))),
                )
                for mention, entity in zip(doc.ents, self._entities(doc), strict=True)
            ]
            forget_merged(doc)
        return doc

    def _entities(self, doc: Doc) -> List[Hashable]:
        """What each mention in doc.ents is a mention of."""
        names = [self.rules.normalize(mention.text, mention.label_) for mention in doc.ents]
        known = self._known_entities(doc)
        by_name = self._resolve(names, known)
        return [
            by_name[name] if entity is None else entity
            for name, entity in zip(names, known, strict=True)
        ]

    def _known_entities(self, doc: Doc) -> List[Optional[Hashable]]:
        """The entity of each mention that something else than its name tells, or None."""
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

    def _resolve(
        self, names: List[NameKey], known: List[Optional[Hashable]]
    ) -> Dict[NameKey, Hashable]:
        """The entity of each name, for mentions of which no more than the name is known.

        Longer names come first, so that a short form finds the entities of all names that
        may be shortened to it. One that may stand for several is an entity of its own.
        """
        known_by_name: Dict[NameKey, Set[Hashable]] = defaultdict(set)
        for name, entity in zip(names, known, strict=True):
            if entity is not None:
                known_by_name[name].add(entity)
        holders: Dict[NameKey, Set[Hashable]] = defaultdict(set)
        entities: Dict[NameKey, Hashable] = {}
        for name in sorted(set(names), key=_length, reverse=True):
            entities[name] = _only(known_by_name[name] or holders[name]) or name
            for short_form in self.rules.shorten(name):
                holders[short_form].add(entities[name])
        return entities


def _only(items: Set[Any]) -> Any:
    """The item of a set that holds no other, else None."""
    return next(iter(items)) if len(items) == 1 else None


def _length(name: NameKey) -> Tuple[int, int, Tuple[str, ...]]:
    """Words, then characters; then the words, for the same order in every run."""
    return len(name.words), sum(map(len, name.words)), name.words
