"""The component `word_ner`."""

from typing import Any, Callable, Dict, Iterable, List, Optional

import numpy
from spacy.language import Language
from spacy.pipeline import EntityRecognizer
from spacy.pipeline.ner import DEFAULT_NER_MODEL
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model, Optimizer, get_array_module, to_numpy
from thinc.types import Ragged

from ..mentions import without_space
from ..words import Words, words_of


@Language.factory(
    "word_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "moves": None,
        "update_with_oracle_cut_size": 100,
        "model": DEFAULT_NER_MODEL,
        "incorrect_spans_key": None,
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_word_ner(
    nlp: Language,
    name: str,
    model: Model[List[Doc], Any],
    moves: Optional[Any],
    update_with_oracle_cut_size: int,
    incorrect_spans_key: Optional[str],
    scorer: Optional[Callable[..., Dict[str, Any]]],
) -> "WordEntityRecognizer":
    """Construct a WordEntityRecognizer. Arguments as in spaCy's `ner`.

    nlp (Language): The pipeline.
    """
    return WordEntityRecognizer(
        nlp.vocab,
        model,
        name,
        moves=moves,
        update_with_oracle_cut_size=update_with_oracle_cut_size,
        incorrect_spans_key=incorrect_spans_key,
        scorer=scorer,
    )


class WordEntityRecognizer(EntityRecognizer):
    """spaCy's `ner`, whose predictions do not depend on white space: it reads the words of a Doc.
    What `ner` has learnt it can load, and the other way round. No mention begins or ends with white
    space.
    """

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from gold mentions, without white space at their ends. Arguments and result as in
        spaCy's `ner`."""
        examples = list(examples)
        validate_examples(examples, "WordEntityRecognizer.update")
        trimmed = [_with_trimmed(example) for example in examples]
        return super().update(trimmed, drop=drop, sgd=sgd, losses=losses)

    def predict(self, docs: Iterable[Doc]) -> Any:
        """Find the mentions of Docs, without setting them.

        docs (Iterable[Doc]): The documents.
        RETURNS (Any): The states of the parser, which know words by their numbers.
        """
        return super().predict([_with_vectors(doc, words_of(doc)) for doc in docs])

    def set_annotations(self, docs: Iterable[Doc], states: Any) -> None:
        """Set the mentions of Docs.

        docs (Iterable[Doc]): The documents.
        states (Any): What `predict` gave for them.
        """
        documents = list(docs)
        words = [words_of(doc) for doc in documents]
        super().set_annotations([each.doc for each in words], states)
        for doc, each in zip(documents, words, strict=True):
            if each.doc is not doc:
                mentions = [each.span_in(doc, mention) for mention in each.doc.ents]
                doc.set_ents(mentions, default="unmodified")
                missing = [doc[token.i : token.i + 1] for token in doc if not token.ent_iob]
                doc.set_ents([], outside=missing, default="unmodified")


def _with_trimmed(example: Example) -> Example:
    """The example, or one with a copy of its reference if a mention there begins or ends with white
    space, which spaCy's `ner` may not be able to learn (E024)."""
    doc = example.reference
    places = [(span.start, span.end, span.label) for span in doc.ents]
    trimmed = [
        (*without_space(doc, start, end), label)
        for start, end, label in places
        if not doc[start:end].text.isspace()
    ]
    if trimmed == places:
        return example
    copy = doc.copy()
    copy.set_ents([Span(copy, *place) for place in trimmed], default="outside")
    missing = [copy[token.i : token.i + 1] for token in doc if not token.ent_iob]
    copy.set_ents([], missing=missing, default="unmodified")
    return Example(example.predicted, copy)


def _with_vectors(doc: Doc, words: Words) -> Doc:
    """Give words the vectors of their tokens, for the listeners of a network."""
    if words.doc is not doc:
        if len(doc.tensor):
            words.doc.tensor = doc.tensor[words.tokens]
        if doc.has_extension("trf_data") and doc._.trf_data is not None:
            data = doc._.trf_data
            words.doc._.trf_data = TransformerData(
                data.wordpieces, data.model_output, _pieces_of(data.align, words.tokens)
            )
    return words.doc


def _pieces_of(align: Ragged, tokens: numpy.ndarray) -> Ragged:
    """The pieces of some tokens. Of a token without any, Ragged cannot be indexed by an array."""
    lengths = to_numpy(align.lengths)
    kept = numpy.zeros(len(lengths), dtype=bool)
    kept[tokens] = True
    xp = get_array_module(align.data)
    pieces = align.dataXd[xp.asarray(numpy.repeat(kept, lengths))]
    return Ragged(pieces, align.lengths[xp.asarray(tokens)])
