"""How the entities and relations of an annotated corpus are written to a Doc."""

from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..entities import DEFAULT_KEY
from ..relations import Triple, set_entities, set_relations

Mention = Tuple[int, int, str]


def annotate(
    doc: Doc, entities: Sequence[Sequence[Mention]], relations: Optional[Iterable[Triple]]
) -> None:
    """Write gold entities and relations to a Doc.

    The mentions go to `doc.spans["entities"]` and, as far as they have a label and do not
    overlap, to `doc.ents`. The id of each is the place of its entity in `doc._.entities`.

    doc (Doc): The document.
    entities (Sequence[Sequence[Mention]]): First token, end token and label of each mention
        of each entity. A mention that an entity has twice counts once.
    relations (Optional[Iterable[Triple]]): The relations; None where nobody has annotated them.
    """
    spans: List[List[Span]] = []
    for place, mentions in enumerate(entities):
        labels: Dict[Tuple[int, int], str] = {}
        for start, end, label in mentions:
            labels.setdefault((start, end), label)
        spans.append(
            [
                Span(doc, start, end, label=label, span_id=str(place))
                for (start, end), label in labels.items()
            ]
        )
    # Entity by entity, so that their first appearance in the group is in order, too.
    doc.spans[DEFAULT_KEY] = [span for mentions in spans for span in mentions]
    # In doc.ents, a span without a label would say that there is no entity.
    doc.ents = filter_spans(span for span in doc.spans[DEFAULT_KEY] if span.label)
    set_entities(doc, spans)
    if relations is not None:
        set_relations(doc, relations)
