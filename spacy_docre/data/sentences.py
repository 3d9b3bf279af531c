"""The sentences of a document, and the sentences in which its entities are mentioned."""

from typing import Dict, List, Sequence, Set

from spacy.tokens import Doc, Span

_NUMBERS = "docre_sentence_numbers"


def set_sentence_numbers(doc: Doc, numbers: Sequence[int]) -> None:
    """Store how an annotated file numbers sentences, if some of its sentences have no tokens.

    doc (Doc): The document.
    numbers (Sequence[int]): The number of each sentence that has tokens.
    """
    if list(numbers) != list(range(len(numbers))):
        doc.user_data[_NUMBERS] = list(numbers)


def sentences_by_number(doc: Doc) -> Dict[int, Span]:
    """Return the sentences by their numbers.

    doc (Doc): The document.
    RETURNS (Dict[int, Span]): The sentences; empty if the document has no sentence boundaries.
    RAISES (ValueError): If the stored numbers do not fit the sentences.
    """
    if not doc.has_annotation("SENT_START"):
        return {}
    sentences = list(doc.sents)
    numbers = doc.user_data.get(_NUMBERS, range(len(sentences)))
    if (
        not isinstance(numbers, (list, tuple, range))
        or not all(isinstance(number, int) for number in numbers)
        or len(set(numbers)) != len(sentences)
    ):
        raise ValueError(
            f"doc.user_data[{_NUMBERS!r}] of the document {doc.text[:50]!r} is damaged: it should "
            f"number its {len(sentences)} sentences. Convert the document again."
        )
    return dict(zip(numbers, sentences, strict=True))


def token_sentence_numbers(doc: Doc) -> List[int]:
    """Return the sentence number of each token.

    doc (Doc): The document.
    RETURNS (List[int]): The number of each token's sentence; an empty list if the document has no
        sentence boundaries.
    """
    return [number for number, sentence in sentences_by_number(doc).items() for _ in sentence]


def sentences_of_entities(doc: Doc) -> List[Set[int]]:
    """Find the sentences in which each entity is mentioned.

    doc (Doc): The document; it has sentence boundaries.
    RETURNS (List[Set[int]]): For each entity, the numbers of its sentences.
    """
    numbers = token_sentence_numbers(doc)
    return [
        {number for mention in entity.mentions for number in numbers[mention.start : mention.end]}
        for entity in doc._.entities
    ]


def sentence_distance(head: Set[int], tail: Set[int]) -> int:
    """Compute the distance of two entities.

    head (Set[int]): The sentences in which the head is mentioned.
    tail (Set[int]): The sentences in which the tail is mentioned.
    RETURNS (int): The number of sentences from one to the other, by their nearest mentions: 0 in
        the same sentence, 1 in the next one.
    """
    return min(abs(ours - theirs) for ours in head for theirs in tail)
