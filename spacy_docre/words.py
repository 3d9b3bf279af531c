"""The words of a Doc: its tokens without those of white space.

White space that is more than one space is a token of its own. What a network says of a text should
not depend on it.
"""

from typing import List, NamedTuple, cast

import numpy
from spacy.tokens import Doc, Span
from thinc.types import Ints2d

# What a component may have set on tokens, or a network may read.
_ATTRIBUTES = ["NORM", "LEMMA", "POS", "TAG", "MORPH", "SENT_START"]
_ENTITIES = ["ENT_IOB", "ENT_TYPE", "ENT_ID", "ENT_KB_ID"]


class Words(NamedTuple):
    """A Doc without white space.

    doc (Doc): The words alone; the Doc itself where it has no other tokens, or no words.
    tokens (numpy.ndarray): The token of each word, shape (words,).
    """

    doc: Doc
    tokens: numpy.ndarray

    def span_in(self, doc: Doc, span: Span) -> Span:
        """Find a span of the words in the Doc that they are of.

        doc (Doc): The Doc.
        span (Span): The span.
        RETURNS (Span): The tokens from its first word to its last.
        """
        first, last = self.tokens[[span.start, span.end - 1]].tolist()
        return Span(doc, first, last + 1, label=span.label, kb_id=span.kb_id, span_id=span.id)

    def windows_in(self, doc: Doc, windows: List[Span]) -> List[Span]:
        """Find spans of the words in the Doc that they are of, white space included: what lies
        before a word goes with the word before it.

        doc (Doc): The Doc.
        windows (List[Span]): The spans.
        RETURNS (List[Span]): Spans that have all tokens where the windows have all words.
        """
        starts = numpy.append(self.tokens, len(doc))
        starts[0] = 0
        return [doc[int(starts[window.start]) : int(starts[window.end])] for window in windows]


def words_of(doc: Doc) -> Words:
    """Leave out the white space of a Doc.

    doc (Doc): The Doc.
    RETURNS (Words): Its words, with the annotations of their tokens.
    """
    is_word = numpy.array([not token.is_space for token in doc], dtype=bool)
    tokens = numpy.flatnonzero(is_word)
    if len(tokens) in (0, len(doc)):
        return Words(doc, numpy.arange(len(doc)))
    words = Doc(doc.vocab, words=[doc[index].text for index in tokens.tolist()])
    attributes = [*_ATTRIBUTES, *(_ENTITIES if doc.has_annotation("ENT_IOB") else ())]
    words.from_array(attributes, cast(Ints2d, doc.to_array(attributes)[tokens]))
    return Words(words, tokens)
