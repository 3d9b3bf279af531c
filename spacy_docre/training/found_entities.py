"""Documents with the entities that a pipeline finds in their texts: the model learns with the
pipeline's errors."""

import warnings
from functools import lru_cache
from pathlib import Path
from typing import Dict, Optional, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..entity_sources import copy_words, set_entity_spans
from ..pipeline.components import relation_extractors
from ..pipeline.loading import load_pipeline
from .augmentation import change_share, make_in_turn
from .corpus import Augmenter

# The most texts whose entities are kept in memory, some 5 kB each.
_TEXTS = 2**15


def make_found_entities(
    pipeline: Optional[Union[str, Path]] = None, level: float = 1.0
) -> Augmenter:
    """`spacy_docre.found_entities.v1`: replace the gold tokens, sentences and entities by those
    that a trained pipeline finds in the bare text. The reference stays gold. So `ner` still learns
    gold entities, and the relation extractor learns the relations between the entities that it will
    get.

    pipeline (Optional[Union[str, Path]]): A folder or a package, with all components before its
        relation extractor. It is loaded when the first document is read. Null if there is no
        pipeline yet: documents stay as they are.
    level (float): The share of documents whose entities are found.
    RETURNS (Callable[[Language, Example], Iterator[Example]]): The augmenter.
    RAISES (ValueError): If `level` is not between 0 and 1; for an example, if the pipeline cannot
        be loaded. A warning is given if nothing in the pipeline sets entities.
    """

    def change(nlp: Language, example: Example) -> Example:
        found = _load_finder(str(pipeline)).find(example.reference.text)
        changed = Example(Doc(nlp.vocab).from_bytes(found), example.reference)
        _join_sentences(changed)
        return changed

    augmenter = change_share(level, change)
    return make_in_turn() if pipeline is None else augmenter


def _join_sentences(example: Example) -> None:
    """Let no sentence begin inside a gold mention: `ner` could not learn the mention (E024)."""
    for mention in example.reference.ents:
        tokens = example.alignment.y2x[mention.start : mention.end]
        if len(tokens):
            for token in example.predicted[tokens[0] + 1 : tokens[-1] + 1]:
                token.is_sent_start = False


class _Finder:
    """A pipeline up to its relation extractor, and the entities it has found."""

    def __init__(self, path: str) -> None:
        try:
            self.nlp = load_pipeline(path)
            self.extractor = relation_extractors(self.nlp)[0]
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot find entities: {error}") from error
        self.found: Dict[str, bytes] = {}

    def find(self, text: str) -> bytes:
        """Find words, sentences and entities of a text, as the bytes of a Doc. The entities are in
        the span group "entities"."""
        if text in self.found:
            return self.found[text]
        doc = self.nlp.make_doc(text)
        for _, component in self.nlp.pipeline:
            if component is self.extractor:
                break
            doc = component(doc)
        chosen = self.extractor.entity_policy.choose(doc)
        if chosen.missing is not None:
            warnings.warn(f"{self.nlp.path} finds no entities. {chosen.missing}", stacklevel=2)
        copy = copy_words(doc)
        set_entity_spans(copy, chosen.entities)
        found = copy.to_bytes()
        # Documents come again in each epoch. Rewritten texts are all new, and must not fill memory.
        if len(self.found) < _TEXTS:
            self.found[text] = found
        return found


@lru_cache(maxsize=1)
def _load_finder(path: str) -> _Finder:
    """Load a pipeline once: spaCy reads a corpus several times, at first for its labels."""
    return _Finder(path)
