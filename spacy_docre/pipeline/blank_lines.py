"""The component `blank_lines`."""

import re
from itertools import pairwise

from spacy.language import Language
from spacy.tokens import Doc

_BLANK_LINE = re.compile(r"\n\s*\n")


@Language.component("blank_lines", assigns=["token.is_sent_start"])
def end_sentences(doc: Doc) -> Doc:
    """End sentences at blank lines, as between the items of a list or the cells of a table: the
    first word after one begins a sentence. It stands before what finds the other sentences
    (`senter`, `parser` or `sentencizer`), which keeps what is set, and before `ner` or `word_ner`,
    whose mentions stay within a sentence that begins so. Boundaries that a Doc has already stay.

    doc (Doc): The document.
    RETURNS (Doc): The same document.
    """
    text = doc.text
    if _BLANK_LINE.search(text):
        words = [token for token in doc if not token.is_space]
        for word, following in pairwise(words):
            if _BLANK_LINE.search(text, word.idx + len(word), following.idx):
                for token in doc[word.i + 1 : following.i + 1]:
                    if token.is_sent_start is None:
                        # The white space is of the sentence before.
                        token.is_sent_start = token == following
    return doc
