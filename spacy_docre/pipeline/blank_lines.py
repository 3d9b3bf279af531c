"""The component `blank_lines`."""

import re
from itertools import pairwise

from spacy.language import Language
from spacy.tokens import Doc

_BLANK_LINE = re.compile(r"\n\s*\n")


@Language.component("blank_lines", assigns=["token.is_sent_start"])
def end_sentences(doc: Doc) -> Doc:
    """End sentences at blank lines, e.g. between the items of a list or the cells of a table. The
    first word after a blank line begins a sentence.

    Add it before the component that finds the other sentences (`senter`, `parser` or
    `sentencizer`), which keeps these boundaries. Add it before `ner` or `word_ner`, too: their
    mentions then stay within a sentence. Boundaries that a Doc has already stay.

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
                        # The white space belongs to the sentence before.
                        token.is_sent_start = token == following
    return doc
