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

from ..entity_sources import copy_words
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
    """spaCy's `ner`, but its predictions do not depend on white space: it reads the words of a Doc.
    It can load what `ner` has learnt, and `ner` can load what it has learnt. No mention begins or
    ends with white space.
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
        trimmed = [_with_trimmed(example, self.incorrect_spans_key) for example in examples]
        return super().update(trimmed, drop=drop, sgd=sgd, losses=losses)

    def predict(self, docs: Iterable[Doc]) -> Any:
        """Find the mentions of Docs, without setting them.

        docs (Iterable[Doc]): The documents.
        RETURNS (Any): The states of the parser, in which a word is an index.
        """
        return super().predict([_with_vectors(doc, words_of(doc)) for doc in docs])

    def set_annotations(self, docs: Iterable[Doc], states: Any) -> None:
        """Set the mentions of Docs.

        docs (Iterable[Doc]): The documents.
        states (Any): The states that `predict` returned for them.
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


def _with_trimmed(example: Example, negative: Optional[str]) -> Example:
    """Return the example, or an example with trimmed mentions if a mention begins or ends with
    white space in the tokens of the prediction. spaCy's `ner` may fail on such a mention (E024).

    example (Example): Prediction and reference.
    negative (Optional[str]): The key of the span group of spans that are not mentions.
    """
    doc = example.predicted
    if not any(token.is_space for token in doc):
        return example
    mentions, tags = example.get_aligned_ents_and_ner()
    groups = {"mentions": mentions}
    if negative is not None and negative in example.reference.spans:
        groups[negative] = example.get_aligned_spans_y2x(
            example.reference.spans[negative], allow_overlap=True
        )
    spans = (span for group in groups.values() for span in group)
    if not any(span[0].is_space or span[-1].is_space for span in spans):
        return example
    reference = copy_words(doc)
    for name, group in groups.items():
        own = _trimmed(reference, group)
        if name == negative:
            reference.spans[name] = own
        else:
            missing = [token.i for token, tag in zip(doc, tags, strict=True) if tag is None]
            unknown = [reference[index : index + 1] for index in missing]
            reference.set_ents(own, missing=unknown, default="outside")
    return Example(doc, reference)


def _trimmed(doc: Doc, spans: Iterable[Span]) -> List[Span]:
    """Copy spans to a Doc of the same tokens, without white space at their ends. A span of white
    space alone is left out."""
    return [
        Span(doc, *without_space(doc, span.start, span.end), span.label)
        for span in spans
        if not span.text.isspace()
    ]


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
    """Select the pieces of some tokens. A Ragged cannot be indexed by an array if a token has no
    pieces."""
    lengths = to_numpy(align.lengths)
    kept = numpy.zeros(len(lengths), dtype=bool)
    kept[tokens] = True
    xp = get_array_module(align.data)
    pieces = align.dataXd[xp.asarray(numpy.repeat(kept, lengths))]
    return Ragged(pieces, align.lengths[xp.asarray(tokens)])
