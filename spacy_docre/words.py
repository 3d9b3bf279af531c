"""The words of a Doc: its tokens without the tokens of white space.

In spaCy, white space of more than one space is a token. The predictions of a network should not
depend on such tokens.
"""

from typing import List, NamedTuple, cast

import numpy
from spacy.tokens import Doc, Span, Token
from thinc.types import Ints2d

# Attributes that components set on tokens, or that networks read.
_ATTRIBUTES = ["NORM", "LEMMA", "POS", "TAG", "MORPH", "SENT_START"]
_ENTITIES = ["ENT_IOB", "ENT_TYPE", "ENT_ID", "ENT_KB_ID"]


class Words(NamedTuple):
    """A Doc without white space.

    doc (Doc): The words alone; the Doc itself if all of its tokens are words, or none is.
    tokens (numpy.ndarray): The index of the token of each word, shape (words,).
    """

    doc: Doc
    tokens: numpy.ndarray

    def span_in(self, doc: Doc, span: Span) -> Span:
        """Map a span of the words to the original Doc.

        doc (Doc): The original Doc.
        span (Span): The span of the words.
        RETURNS (Span): The tokens from its first word to its last word.
        """
        first, last = self.tokens[[span.start, span.end - 1]].tolist()
        return Span(doc, first, last + 1, label=span.label, kb_id=span.kb_id, span_id=span.id)

    def windows_in(self, doc: Doc, windows: List[Span]) -> List[Span]:
        """Map windows of the words to the original Doc. White space goes to the window of the word
        before it.

        doc (Doc): The original Doc.
        windows (List[Span]): The windows of the words.
        RETURNS (List[Span]): The windows. If the given windows cover all words, they cover all
            tokens.
        """
        starts = numpy.append(self.tokens, len(doc))
        starts[0] = 0
        return [doc[int(starts[window.start]) : int(starts[window.end])] for window in windows]


def is_word(token: Token) -> bool:
    """Whether a token is a word, in any vocabulary.

    token (Token): The token.
    RETURNS (bool): Whether it is not white space.
    """
    # A vocabulary without a language does not know white space: token.is_space is False there.
    return not token.text.isspace()


def count_words(doc: Doc) -> int:
    """Count the words of a Doc.

    doc (Doc): The Doc.
    RETURNS (int): The number of its tokens that are not white space.
    """
    return sum(map(is_word, doc))


def words_of(doc: Doc) -> Words:
    """Leave out the white space of a Doc.

    doc (Doc): The Doc.
    RETURNS (Words): Its words, with the annotations of their tokens.
    """
    tokens = numpy.flatnonzero([is_word(token) for token in doc])
    if len(tokens) in (0, len(doc)):
        return Words(doc, numpy.arange(len(doc)))
    words = Doc(doc.vocab, words=[doc[index].text for index in tokens.tolist()])
    attributes = [*_ATTRIBUTES, *(_ENTITIES if doc.has_annotation("ENT_IOB") else ())]
    words.from_array(attributes, cast(Ints2d, doc.to_array(attributes)[tokens]))
    return Words(words, tokens)
