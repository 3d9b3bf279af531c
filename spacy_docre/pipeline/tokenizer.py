"""The tokenizer of texts that have ranges of dates."""

from typing import Callable

from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.util import compile_infix_regex, registry

# Hyphens and dashes of Unicode, and the minus sign. spaCy divides numbers at the hyphen of ASCII.
_RANGE = r"(?:(?<=\d)|(?<=\ds))[‐‑‒–—−](?=\d)"


def make_tokenizer() -> Callable[[Language], Tokenizer]:
    """`spacy_docre.Tokenizer.v1`: spaCy's tokenizer. It also divides ranges of numbers and dates.

    spaCy's own tokenizer leaves "1867–1934" one token, so no component can find the date of birth
    and the date of death in it. Signs between the numbers, as in "$5–$10", keep a range whole. The
    tokenizer is for the languages that `spacy.Tokenizer.v1` is for.

    RETURNS (Callable[[Language], Tokenizer]): Makes the tokenizer of a pipeline.
    """
    make_default = registry.tokenizers.get("spacy.Tokenizer.v1")()

    def make(nlp: Language) -> Tokenizer:
        tokenizer: Tokenizer = make_default(nlp)
        infixes = [*(nlp.Defaults.infixes or ()), _RANGE]
        tokenizer.infix_finditer = compile_infix_regex(infixes).finditer
        return tokenizer

    return make
