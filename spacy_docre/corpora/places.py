"""Where a document's entities are, in sentences."""

from typing import List, Set

from spacy.tokens import Doc


def sentence_numbers(doc: Doc) -> List[int]:
    """Number the sentences.

    doc (Doc): The document.
    RETURNS (List[int]): The place of each token's sentence; an empty list where the document
        has no sentence boundaries.
    """
    if not doc.has_annotation("SENT_START"):
        return []
    return [number for number, sentence in enumerate(doc.sents) for _ in sentence]


def sentences_of_entities(doc: Doc) -> List[Set[int]]:
    """The sentences in which each entity is mentioned.

    doc (Doc): The document; it has sentence boundaries.
    RETURNS (List[Set[int]]): The places of the sentences, an entity each.
    """
    numbers = sentence_numbers(doc)
    return [
        {number for mention in entity.mentions for number in numbers[mention.start : mention.end]}
        for entity in doc._.entities
    ]


def sentence_distance(head: Set[int], tail: Set[int]) -> int:
    """The distance of two entities.

    head (Set[int]): The sentences in which the head is mentioned.
    tail (Set[int]): Those of the tail.
    RETURNS (int): The number of sentences from one to the other, where they are nearest; 0 in
        the same sentence.
    """
    return min(abs(ours - theirs) for ours in head for theirs in tail)
