"""The component `doc_relation_extractor`."""

import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
    cast,
)

import numpy
import srsly
import torch
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import (
    Config,
    NumpyOps,
    Optimizer,
    set_dropout_rate,
    to_numpy,
    torch2xp,
    xp2torch,
)
from thinc.types import Floats2d
from torch import Tensor

from ..alignment import GoldAlignment, align_mentions
from ..annotations import Triple, has_relations
from ..distillation.objective import Distillation
from ..entity_sources import (
    EntityDoc,
    EntityGetter,
    Mentions,
    MissingEntities,
    find_entities,
    reference_entities,
)
from ..losses import Loss
from ..models.attention import release_attention
from ..models.extractor import ExtractorModel, PairScores
from ..models.learn_rates import check_learn_rate_factor, scale_learn_rate
from ..models.pieces import sentence_boundaries
from ..models.serialization import readable
from ..pairs import Pairs
from .upstream import provide_attention

DEFAULT_CONFIG = Config().from_str(
    """
[doc_relation_extractor]
threshold = 0.5
top_k = null
label_names = {}
learn_rate_factor = 1.0
distillation = null

[doc_relation_extractor.entities]
@misc = "spacy_docre.entities.v1"

[doc_relation_extractor.loss]
@misc = "spacy_docre.AdaptiveFocalLoss.v1"

[doc_relation_extractor.scorer]
@scorers = "spacy_docre.relation_scorer.v1"

[doc_relation_extractor.model]
@architectures = "spacy_docre.DocRelationModel.v1"

[doc_relation_extractor.model.tok2vec]
@architectures = "spacy_docre.TransformerListener.v1"

[doc_relation_extractor.model.entity_pooling]
@layers = "spacy_docre.LogSumExpPooling.v1"

[doc_relation_extractor.model.context_pooling]
@layers = "spacy_docre.LocalizedContextPooling.v1"

[doc_relation_extractor.model.pair_features]
@layers = "spacy_docre.GroupedBilinear.v1"

[doc_relation_extractor.model.pair_encoder]
@layers = "spacy_docre.AxialAttention.v1"

[doc_relation_extractor.model.classifier]
@layers = "spacy_docre.LinearClassifier.v1"
"""
)

# A sentence is evidence if at least this share of the pair's attention falls on it. Chosen on
# Re-DocRED development documents, by evidence F1 of the gold triples (0.2: 43, 0.3: 45, 0.4: 42).
EVIDENCE_SHARE = 0.3


@Language.factory(
    "doc_relation_extractor",
    assigns=["doc._.entities", "doc._.relations"],
    requires=["doc._.trf_data"],
    default_config=DEFAULT_CONFIG["doc_relation_extractor"],
    default_score_weights={
        "rel_f": 1.0,
        "rel_p": 0.0,
        "rel_r": 0.0,
        "rel_ign_f": 0.0,
        "rel_per_type": None,
    },
)
def make_doc_relation_extractor(
    nlp: Language,
    name: str,
    model: ExtractorModel,
    entities: EntityGetter,
    loss: Loss,
    threshold: float,
    top_k: Optional[int],
    label_names: Dict[str, str],
    learn_rate_factor: float,
    distillation: Optional[Distillation],
    scorer: Optional[Callable],
) -> "DocRelationExtractor":
    """Construct a DocRelationExtractor, and see that the transformer hands over its
    attention. Arguments as in `DocRelationExtractor`.

    nlp (Language): The pipeline.
    """
    provide_attention(nlp, model)
    return DocRelationExtractor(
        nlp.vocab,
        model,
        name,
        entities=entities,
        loss=loss,
        threshold=threshold,
        top_k=top_k,
        label_names=label_names,
        learn_rate_factor=learn_rate_factor,
        distillation=distillation,
        scorer=scorer,
    )


@dataclass
class _Survey:
    """What the component has to know of its training data.

    sample (List[EntityDoc]): A few documents to initialise the model with.
    names (Dict[str, str]): The readable name of each relation, empty where none is known.
    taught (Dict[Tuple[str, ...], Doc]): The relations that teachers know, in order, and a
        document that each of them teaches.
    """

    sample: List[EntityDoc]
    names: Dict[str, str]
    taught: Dict[Tuple[str, ...], Doc]


class DocRelationExtractor(TrainablePipe):
    """Extract relations between the entities of whole documents.

    vocab (Vocab): The shared vocabulary.
    model (ExtractorModel): The model.
    name (str): The name of the component instance.
    entities (EntityGetter): Where the entities of a Doc come from.
    loss (Loss): The training loss, on logits and labels.
    threshold (float): A relation is annotated if P(r | head, tail) (eq. 9) is above this;
        at 0.5 the threshold class TH decides.
    top_k (Optional[int]): At most so many relations of a pair are annotated, the best;
        None for no limit.
    label_names (Dict[str, str]): Readable names of the relations.
    learn_rate_factor (float): Factor on the optimizer's learning rate for this component's
        own weights, as against the transformer's (the paper: 1e-4 and 3e-5).
    distillation (Optional[Distillation]): What is learnt from a teacher besides, e.g.
        `spacy_docre.MSEDistillation.v1`; None to learn from gold relations only.
    scorer (Optional[Callable]): The scoring method.
    RAISES (ValueError): If `threshold`, `top_k` or `learn_rate_factor` is out of its range.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: ExtractorModel,
        name: str = "doc_relation_extractor",
        *,
        entities: EntityGetter,
        loss: Loss,
        threshold: float = 0.5,
        top_k: Optional[int] = None,
        label_names: Optional[Dict[str, str]] = None,
        learn_rate_factor: float = 1.0,
        distillation: Optional[Distillation] = None,
        scorer: Optional[Callable] = None,
    ) -> None:
        _check_decision(threshold, top_k)
        check_learn_rate_factor(learn_rate_factor)
        _use_one_thread_in_forks()
        self.vocab = vocab
        self.model = model
        self.name = name
        self.get_entities = entities
        self.loss = loss
        self.learn_rate_factor = learn_rate_factor
        self.distillation = distillation
        self.scorer = scorer
        self.cfg: Dict[str, Any] = {
            "labels": [],
            "label_names": dict(label_names or {}),
            "threshold": threshold,
            "top_k": top_k,
        }

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The relations the component knows."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        """RETURNS (List[str]): The labels, as `spacy init labels` stores them."""
        return list(self.cfg["labels"])

    @property
    def label_names(self) -> Dict[str, str]:
        """RETURNS (Dict[str, str]): Readable names of the relations, where known."""
        return self.cfg["label_names"]

    def add_label(self, label: str) -> int:
        """Add a relation. A model that is trained already keeps what it knows of others.

        label (str): The relation.
        RETURNS (int): 1 if it was added, 0 if it was known.
        RAISES (ValueError): If the label is not a string, or empty.
        """
        if not isinstance(label, str) or not label:
            raise ValueError(f"The label {label!r} is not a string with at least one character.")
        if label in self.cfg["labels"]:
            return 0
        self.cfg["labels"].append(label)
        if self.model.has_dim("nO"):
            self.set_output(len(self.labels))
        self.vocab.strings.add(label)
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
    ) -> None:
        """Collect the relations and build the model. One that is built already keeps its
        weights, and its labels come first.

        get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Iterable[str]]): The relations, e.g. from `spacy init labels`; by
            default those of the teacher, or, without one, of the examples, in alphabetical
            order. Readable names that the examples hold are added to `label_names`.
        RAISES (ValueError): If no relation is known, from `labels`, `add_label` or the
            examples; if the examples hold a relation that is not in `labels`; or if there
            is no transformer to listen to.
        """
        validate_get_examples(get_examples, "DocRelationExtractor.initialize")
        if nlp is not None:
            provide_attention(nlp, self.model)
        if isinstance(labels, str):
            raise ValueError(f"labels = {labels!r} should be a list of relations.")
        labels = None if labels is None else list(labels)
        survey = self._survey(get_examples())
        if labels is None:
            found = sorted(survey.names)
            labels = [*self.labels, *found] if self.labels else [*next(iter(survey.taught), found)]
        if not labels and not self.labels:
            raise ValueError(
                "The training data holds no relations: doc._.relations is empty in every "
                "reference document. Make the data with 'python -m spacy docre convert', or "
                "set doc._.entities and doc._.relations, and keep them: "
                "DocBin(store_user_data=True)."
            )
        unknown = survey.names.keys() - labels
        if unknown:
            remedy = (
                "These are the teacher's: leave other relations out of the data, e.g. with "
                "'python -m spacy docre distant ... --names FILE --only-named'."
                if survey.taught
                else "Add them to the file or list in [initialize.components], or make it anew "
                "with 'spacy init labels'."
            )
            raise ValueError(
                f"The training data holds relations that are not among the labels of "
                f"'{self.name}': {', '.join(sorted(unknown))}. {remedy}"
            )
        for label in labels:
            self.add_label(label)
        for label, name in survey.names.items():
            if name:
                self.label_names.setdefault(label, name)
        if self.distillation is not None:
            self.distillation.require_teacher(survey.taught.values(), self.labels)
        self.set_output(len(self.labels))
        self.model.initialize(X=survey.sample or None)

    def _survey(self, examples: Iterable[Example]) -> "_Survey":
        survey = _Survey([], {}, {})
        for example in examples:
            for relation in example.reference._.relations:
                name = relation.triple.name or survey.names.get(relation.label_, "")
                survey.names[relation.label_] = name
            if self._has_teacher(example):
                survey.taught.setdefault(
                    cast(Distillation, self.distillation).labels(example.reference),
                    example.reference,
                )
            if len(survey.sample) < 10:
                # Where relations are annotated, so are the entities.
                with suppress(MissingEntities):
                    survey.sample.append(self._document(example))
        return survey

    def _document(self, example: Example) -> EntityDoc:
        """The predicted Doc of an example with the entities of whatever sets them: a
        component, the reader of the corpus, or, where nothing does, the reference."""
        try:
            return EntityDoc(example.predicted, find_entities(example.predicted, self.get_entities))
        except MissingEntities:
            return EntityDoc(example.predicted, self._gold_entities(example))

    def _document_to_learn_from(self, example: Example) -> EntityDoc:
        """The same; without entities where there is nothing to learn."""
        if has_relations(example.reference):
            return self._document(example)
        if self._has_teacher(example):
            # Where nobody has annotated relations, it may have no entities.
            with suppress(MissingEntities):
                return self._document(example)
        return EntityDoc(example.predicted, [])

    def _has_teacher(self, example: Example) -> bool:
        return self.distillation is not None and self.distillation.teaches(example.reference)

    def _gold_entities(self, example: Example) -> List[Mentions]:
        """The entities of the reference, as spans of the predicted Doc.

        RAISES (MissingEntities): If the reference has none either.
        """
        entities = reference_entities(example.reference, self.get_entities)
        return align_mentions(example, entities)

    def predict(self, docs: Iterable[Doc]) -> List[PairScores]:
        """Score the entity pairs of Docs without changing them.

        docs (Iterable[Doc]): The documents.
        RETURNS (List[PairScores]): The scores, a Doc each. A Doc with fewer than two
            entities has none; where nothing has set entities, a warning says what to add.
        """
        documents = [EntityDoc(doc, self._entities_or_warn(doc)) for doc in docs]
        return self.score_entities(documents)

    def _entities_or_warn(self, doc: Doc) -> List[Mentions]:
        try:
            return find_entities(doc, self.get_entities)
        except MissingEntities as error:
            warnings.warn(f"'{self.name}' finds no relations. {error}", stacklevel=2)
            return []

    def score_entities(self, documents: List[EntityDoc]) -> List[PairScores]:
        """Score the pairs of given entities, whatever the setting `entities` would find.

        documents (List[EntityDoc]): The documents, which the transformer has seen, and their
            entities.
        RETURNS (List[PairScores]): The scores, a document each.
        """
        self._require_initialized()
        return [
            scores
            for batch in _minibatch_by_pairs(documents)
            for scores in self.model.predict(batch)
        ]

    def _require_initialized(self) -> None:
        if not self.model.has_dim("nO"):
            raise ValueError(
                f"'{self.name}' has not been trained: it has no labels and no weights. Load a "
                "trained pipeline, or train this one with 'spacy train' or nlp.initialize()."
            )

    def set_annotations(self, docs: Iterable[Doc], predictions: Sequence[PairScores]) -> None:
        """Set `doc._.entities` and `doc._.relations`.

        docs (Iterable[Doc]): The documents.
        predictions (Sequence[PairScores]): What `predict` gave for them.
        """
        for doc, prediction in zip(docs, predictions):
            doc._.entities = prediction.document.entities
            doc._.relations = self.decode(prediction)
            # Where nothing sets entities, `score` takes those of the reference, and needs it.
            if prediction.document.entities or not self._lacks_entities(doc):
                release_attention(doc)

    def decode(self, prediction: PairScores, threshold: Optional[float] = None) -> List[Triple]:
        """Choose the relations of a document by the scores of its pairs.

        prediction (PairScores): The scores.
        threshold (Optional[float]): A relation is chosen if its probability is above this; None
            for the component's own threshold.
        RETURNS (List[Triple]): The relations.
        """
        threshold = self.cfg["threshold"] if threshold is None else threshold
        logits = to_numpy(prediction.logits)
        evidence = to_numpy(prediction.evidence)
        # Eq. 9, in float64: in float32 a sure relation would have probability 1.
        margins = (logits[:, 1:] - logits[:, :1]).astype("float64")
        probabilities = NumpyOps().sigmoid(margins)
        annotated = probabilities > threshold
        if self.cfg["top_k"] is not None and self.cfg["top_k"] < annotated.shape[1]:
            worst_first = margins.argsort(axis=1)
            rest = worst_first[:, : annotated.shape[1] - self.cfg["top_k"]]
            numpy.put_along_axis(annotated, rest, False, axis=1)
        pairs = Pairs.of([len(prediction.document.entities)])
        heads, tails, unordered = (
            indices.numpy() for indices in (pairs.heads, pairs.tails, pairs.unordered)
        )
        doc = prediction.document.doc
        sentences = sentence_boundaries(doc) if doc.has_annotation("SENT_START") else []
        triples = []
        for pair, relation in zip(*annotated.nonzero()):
            label = self.labels[relation]
            triples.append(
                Triple(
                    head=heads[pair],
                    tail=tails[pair],
                    label=label,
                    score=probabilities[pair, relation],
                    name=self.label_names.get(label, ""),
                    evidence=_evidence(evidence[unordered[pair]], sentences),
                )
            )
        return triples

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch of examples.

        examples (Iterable[Example]): The examples; the reference holds the gold relations.
        drop (float): The dropout rate of layers that have none of their own.
        sgd (Optional[Optimizer]): The optimizer; None to accumulate the gradient.
        losses (Optional[Dict[str, float]]): The losses of this epoch, to be added to.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "DocRelationExtractor.update")
        # Others teach nothing, and where nobody has annotated them they may have no entities.
        if not any(
            len(example.predicted)
            and (has_relations(example.reference) or self._has_teacher(example))
            for example in examples
        ):
            return losses
        self._require_initialized()
        set_dropout_rate(self.model, drop)
        documents = [self._document_to_learn_from(example) for example in examples]
        scores, backprop = self.model.begin_update(documents)
        loss, d_logits = self.get_loss(examples, scores)
        cast(Callable, backprop)(d_logits)
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(
        self, examples: Iterable[Example], scores: Sequence[PairScores]
    ) -> Tuple[float, List[Floats2d]]:
        """The loss of a batch, and its gradient: that on the gold relations (eq. 11), where
        those of the reference have been set, and that on the teacher's logits (eq. 12), where
        there is a teacher.

        examples (Iterable[Example]): The examples.
        scores (Sequence[PairScores]): The scores of their pairs.
        RETURNS (Tuple[float, List[Floats2d]]): The loss, and for each Doc the gradient of
            its logits, shape (pairs, 1 + relations).
        RAISES (ValueError): If an example holds an unknown relation, or the relations of its
            teacher are others.
        """
        examples = list(examples)
        logits = [xp2torch(prediction.logits).requires_grad_() for prediction in scores]
        loss = self._relation_loss(examples, scores, logits)
        if self.distillation is not None:
            for example in examples:
                self.distillation.check_labels(example.reference, self.labels)
            documents = [prediction.document for prediction in scores]
            loss = loss + self.distillation(
                logits, self.distillation.taught_pairs(examples, documents)
            )
        loss.backward()
        return loss.item(), [cast(Floats2d, torch2xp(_gradient_of(rows))) for rows in logits]

    def _relation_loss(
        self, examples: List[Example], scores: Sequence[PairScores], logits: List[Tensor]
    ) -> Tensor:
        """The loss on the gold relations. Documents whose relations nobody has annotated teach
        nothing."""
        annotated = [
            place for place, example in enumerate(examples) if has_relations(example.reference)
        ]
        if not sum(len(logits[place]) for place in annotated):
            return torch.zeros((), requires_grad=True)
        labels = numpy.concatenate(
            [self._gold_labels(examples[place], scores[place]) for place in annotated]
        )
        variable = torch.cat([logits[place] for place in annotated])
        return self.loss(variable, torch.as_tensor(labels, device=variable.device))

    def _gold_labels(self, example: Example, prediction: PairScores) -> numpy.ndarray:
        """The gold relations of each pair, shape (pairs, relations), booleans."""
        number = len(prediction.document.entities)
        labels = numpy.zeros((Pairs.count(number), len(self.labels)), dtype=bool)
        ours = GoldAlignment(example, prediction.document.entities).to_predicted
        columns = {label: column for column, label in enumerate(self.labels)}
        for relation in example.reference._.relations:
            triple = relation.triple
            if triple.label not in columns:
                raise ValueError(
                    f"The relation {triple.label!r} is not among the labels of '{self.name}'. "
                    "Add it with add_label(), or initialise the component with data that "
                    "holds it."
                )
            head, tail = ours.get(triple.head), ours.get(triple.tail)
            if head is not None and tail is not None and head != tail:
                labels[Pairs.row(head, tail, number), columns[triple.label]] = True
        return labels

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights, the component's own with `learn_rate_factor`.

        sgd (Optimizer): The optimizer.
        """
        self.model.get_ref("tok2vec").finish_update(sgd)
        self.model.get_ref("pair_scorer").finish_update(
            scale_learn_rate(sgd, self.learn_rate_factor)
        )

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score a batch of examples.

        Where nothing in the pipeline sets entities, as when `spacy evaluate` gives bare
        text to a pipeline that has only a transformer and this component, those of the
        reference are used.

        examples (Iterable[Example]): The examples, with predictions.
        RETURNS (Dict[str, Any]): The scores.
        """
        examples = list(examples)
        without = [
            example
            for example in examples
            if has_relations(example.reference) and self._lacks_entities(example.predicted)
        ]
        for batch in minibatch(without, size=32):
            documents = [
                EntityDoc(example.predicted, self._gold_entities(example)) for example in batch
            ]
            self.set_annotations(
                [example.predicted for example in batch], self.score_entities(documents)
            )
        return super().score(examples, **kwargs)

    def _lacks_entities(self, doc: Doc) -> bool:
        try:
            find_entities(doc, self.get_entities)
        except MissingEntities:
            return True
        return False

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "DocRelationExtractor":
        """Load the component from what `to_bytes` gave.

        bytes_data (bytes): The data.
        exclude (Iterable[str]): Serialisation fields to leave out.
        RETURNS (DocRelationExtractor): The component.
        RAISES (ValueError): If the data is cut off or damaged.
        """
        with readable(f"The data of '{self.name}'"):
            srsly.msgpack_loads(bytes_data)
        super().from_bytes(bytes_data, exclude=exclude)
        self._check_loaded(f"The data of '{self.name}'", exclude)
        return self

    def from_disk(
        self, path: Union[str, Path], *, exclude: Iterable[str] = ()
    ) -> "DocRelationExtractor":
        """Load the component from a folder.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): Serialisation fields to leave out.
        RETURNS (DocRelationExtractor): The component.
        RAISES (ValueError): If its weights are missing, cut off or damaged.
        """
        settings = Path(path) / "cfg"
        if "cfg" not in exclude:
            self._require_file(settings, "settings")
        with readable(f"The settings of '{self.name}' in {path}"):
            super().from_disk(path, exclude=[*exclude, "model"])
        if "model" not in exclude:
            weights = Path(path) / "model"
            self._require_file(weights, "weight")
            with readable(f"The weight file {weights} of '{self.name}'"):
                message = srsly.msgpack_loads(weights.read_bytes())
            self.model.from_dict(message)
        self._check_loaded(str(settings), exclude)
        return self

    def _require_file(self, path: Path, what: str) -> None:
        if not path.exists():
            raise ValueError(
                f"The {what} file {path} of '{self.name}' is missing. Copy or train the pipeline "
                "again."
            )

    def _check_loaded(self, source: str, exclude: Iterable[str]) -> None:
        """Refuse settings that cannot belong to the weights they came with."""
        if "cfg" in exclude or "model" in exclude:
            return
        num_labels = self.model.get_dim("nO") if self.model.has_dim("nO") else 0
        if len(self.labels) != num_labels:
            raise ValueError(
                f"{source} has {len(self.labels)} labels, and the weights of '{self.name}' are of "
                f"{num_labels}. Copy or train the pipeline again."
            )
        _check_decision(self.cfg["threshold"], self.cfg["top_k"])


def _gradient_of(logits: Tensor) -> Tensor:
    """The gradient that has reached logits; zeros if none has."""
    return torch.zeros_like(logits) if logits.grad is None else logits.grad


def _check_decision(threshold: float, top_k: Optional[int]) -> None:
    for name, value in (("threshold", threshold), ("top_k", 1 if top_k is None else top_k)):
        if not isinstance(value, (int, float)):
            raise ValueError(f"{name} = {value!r} is no number.")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold = {threshold} is no probability: set one of 0 to 1.")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k = {top_k} annotates nothing: set 1 or more, or null.")


@lru_cache(maxsize=None)
def _use_one_thread_in_forks() -> None:
    """A forked process, as of nlp.pipe(n_process=2), hangs in the thread pool it inherits."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


# Pairs that are scored at once: some 10 kB each in the small recipe.
MAX_PAIRS = 2**15


def _minibatch_by_pairs(documents: Iterable[EntityDoc]) -> Iterator[List[EntityDoc]]:
    """Batches of at most `MAX_PAIRS` entity pairs, or of a single document."""
    batch: List[EntityDoc] = []
    total = 0
    for document in documents:
        pairs = Pairs.count(len(document.entities))
        if batch and total + pairs > MAX_PAIRS:
            yield batch
            batch, total = [], 0
        batch.append(document)
        total += pairs
    if batch:
        yield batch


def _evidence(
    shares: numpy.ndarray, sentences: Sequence[Tuple[int, int]]
) -> Tuple[Tuple[int, int], ...]:
    """The sentence on which most of a pair's attention falls, and others on which enough
    does, most first; none for a pair without attention."""
    enough = min(EVIDENCE_SHARE, shares.max())
    order = [place for place in (-shares).argsort() if shares[place] >= enough > 0]
    return tuple(sentences[place] for place in order) if sentences else ()
