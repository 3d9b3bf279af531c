"""The component `doc_relation_extractor`."""

import warnings
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, cast

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..alignment import GoldAlignment
from ..annotations import Triple, has_relations
from ..distillation.objective import Distillation
from ..entity_sources import EntityDoc, EntityGetter
from ..losses import EvidenceLoss, Loss
from ..models.attention import release_attention, release_encoding
from ..models.calibration import Calibration
from ..models.extractor import ExtractorModel, PairScores
from ..models.learn_rates import LearnRateFactor, check_learn_rate_factor, scale_by_part
from .batching import OneByOne
from .checks import CheckedPipe
from .decoding import check_decision, decode
from .default_config import DEFAULT_CONFIG
from .entity_policy import EntityPolicy
from .evidence import evidence_loss
from .gradients import BatchGradients, BatchTensors
from .partial_labels import POSITIVES_ONLY, PartialLabels
from .processes import use_one_thread_in_forks
from .settings import make_settings
from .survey import learns_from, read_survey
from .targets import relation_loss
from .upstream import provide_attention


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
    learn_rate_factor: LearnRateFactor,
    keep_encoding: bool,
    distillation: Optional[Distillation],
    evidence: Optional[EvidenceLoss],
    partial: PartialLabels,
    scorer: Optional[Callable[..., Dict[str, Any]]],
) -> "DocRelationExtractor":
    """Construct a DocRelationExtractor, and make the transformer hand over its attention.
    Arguments as in `DocRelationExtractor`.

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
        keep_encoding=keep_encoding,
        distillation=distillation,
        evidence=evidence,
        partial=partial,
        scorer=scorer,
    )


class DocRelationExtractor(OneByOne, CheckedPipe):
    """Extract relations between the entities of whole documents.

    vocab (Vocab): The shared vocabulary.
    model (ExtractorModel): The model.
    name (str): The name of the component instance.
    entities (EntityGetter): Where the entities of a Doc come from.
    loss (Loss): The training loss, on logits and labels.
    threshold (float): A relation is annotated if P(r | head, tail) (eq. 9) is above this;
        at 0.5 the threshold class TH decides.
    top_k (Optional[int]): The largest number of relations of a pair, the best first; None for no
        limit.
    label_names (Dict[str, str]): Readable names of the relations.
    learn_rate_factor (LearnRateFactor): Factor on the optimizer's learning rate for this
        component's own weights, or for parts, e.g. {"pair_encoder": 1.0, "*": 3.3} (the paper's).
    keep_encoding (bool): Whether annotated Docs keep the transformer's hidden states, for later
        components. The hidden states take most of the memory of a Doc.
    distillation (Optional[Distillation]): How to learn from a teacher, too, e.g.
        `spacy_docre.MSEDistillation.v1`; None to learn from gold relations only.
    evidence (Optional[EvidenceLoss]): The loss on gold evidence, `spacy_docre.EvidenceLoss.v1`;
        None to train the attention without such a loss.
    partial (PartialLabels): How to learn from documents whose relations are partial.
    scorer (Optional[Callable[..., Dict[str, Any]]]): The scoring method.
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
        learn_rate_factor: LearnRateFactor = 1.0,
        keep_encoding: bool = True,
        distillation: Optional[Distillation] = None,
        evidence: Optional[EvidenceLoss] = None,
        partial: PartialLabels = POSITIVES_ONLY,
        scorer: Optional[Callable[..., Dict[str, Any]]] = None,
    ) -> None:
        check_decision(threshold, top_k)
        check_learn_rate_factor(learn_rate_factor)
        use_one_thread_in_forks()
        self.vocab = vocab
        self.model = model
        self.name = name
        self.entity_policy = EntityPolicy(entities)
        self.loss = loss
        self.learn_rate_factor = learn_rate_factor
        self.release = release_attention if keep_encoding else release_encoding
        self.distillation = distillation
        self.evidence = evidence
        self.partial = partial
        self.scorer = scorer
        self.cfg = make_settings(label_names=label_names or {}, threshold=threshold, top_k=top_k)

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The relations that the component knows."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        """RETURNS (List[str]): The labels, as `spacy init labels` stores them."""
        return list(self.cfg["labels"])

    @property
    def label_names(self) -> Dict[str, str]:
        """RETURNS (Dict[str, str]): Readable names of the relations, where known."""
        return cast(Dict[str, str], self.cfg["label_names"])

    def add_label(self, label: str) -> int:
        """Add a relation. A trained model keeps its weights for the other relations.

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
        """Collect the relations and build the model. A model that is built already keeps its
        weights, and its labels come first. Readable names in the examples go to `label_names`.

        get_examples (Callable[[], Iterable[Example]]): Returns the training examples.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Iterable[str]]): The relations, e.g. from `spacy init labels`. The
            default is the relations of the teacher, or, without a teacher, the relations of the
            examples in alphabetical order.
        RAISES (ValueError): If `labels`, `add_label` and the examples name no relation; if an
            example holds a relation that is not in `labels`; or if the pipeline has no
            transformer.
        """
        validate_get_examples(get_examples, "DocRelationExtractor.initialize")
        if nlp is not None:
            provide_attention(nlp, self.model)
        found = read_survey(get_examples(), self.distillation, self.evidence, self.partial)
        for label in found.labels(self.labels, labels, self.name):
            self.add_label(label)
        for label, name in found.names.items():
            if name:
                self.label_names.setdefault(label, name)
        if self.distillation is not None:
            self.distillation.require_teacher(found.taught.values(), self.labels)
        self.set_output(len(self.labels))
        self.model.initialize(X=found.sample or None)

    def predict(self, docs: Iterable[Doc]) -> List[PairScores]:
        """Score the entity pairs of Docs without changing them.

        docs (Iterable[Doc]): The documents.
        RETURNS (List[PairScores]): The scores of each Doc. A Doc with fewer than two entities
            has no scores. If nothing has set entities, a warning says what to add.
        RAISES (ValueError): If the component has not been trained.
        """
        documents = [self.entity_policy.choose(doc) for doc in docs]
        for document in documents:
            if document.missing is not None:
                warnings.warn(f"'{self.name}' finds no relations. {document.missing}", stacklevel=2)
        return list(self.score_entities(documents))

    def score_entities(self, documents: Iterable[EntityDoc]) -> Iterable[PairScores]:
        """Score the pairs of given entities. The setting `entities` is ignored.

        documents (Iterable[EntityDoc]): The documents and their entities. The transformer has
            already encoded the documents.
        YIELDS (PairScores): The scores of each document.
        RAISES (ValueError): If the component has not been trained, or if a document has more
            pairs than the model's `max_pairs`.
        """
        self._require_initialized()
        for document in documents:
            yield from self.model.predict([document])

    def _require_initialized(self) -> None:
        if not self.model.has_dim("nO"):
            raise ValueError(
                f"'{self.name}' has not been trained: it has no labels and no weights. Load a "
                "trained pipeline, or train this one with 'spacy train' or nlp.initialize()."
            )

    def set_annotations(self, docs: Iterable[Doc], predictions: Iterable[PairScores]) -> None:
        """Set `doc._.entities` and `doc._.relations`, and free what no later component needs.

        docs (Iterable[Doc]): The documents.
        predictions (Iterable[PairScores]): The scores that `predict` returned for them.
        """
        for name in self.label_names.values():
            self.vocab.strings.add(name)  # The display takes a name that is not there for a typo.
        for doc, prediction in zip(docs, predictions, strict=True):
            doc._.entities = prediction.document.entities
            doc._.relations = self.decode(prediction)
            # If nothing sets entities, `score` takes the gold ones, and needs the encoding.
            if prediction.document.entities or self.entity_policy.choose(doc).missing is None:
                self.release(doc)

    def decode(self, prediction: PairScores, threshold: Optional[float] = None) -> List[Triple]:
        """Choose the relations of a document by the scores of its pairs.

        prediction (PairScores): The scores.
        threshold (Optional[float]): A relation is chosen if its probability is above this. The
            default is the component's own threshold.
        RETURNS (List[Triple]): The relations.
        """
        threshold = self.cfg["threshold"] if threshold is None else threshold
        return decode(prediction, self.labels, self.label_names, threshold, self.cfg["top_k"])

    def calibrate(self, calibration: Calibration, num_words: int) -> Calibration:
        """Change all scores, and the threshold with them.

        calibration (Calibration): The change. It comes after those that were made before.
        num_words (int): Documents with this number of words keep their relations.
        RETURNS (Calibration): All changes of the network's scores together.
        RAISES (ValueError): If the component has not been trained.
        """
        self._require_initialized()
        attributes = self.model.get_ref("pair_scorer").attrs
        all_changes = calibration.after(Calibration.stored(attributes["calibration"]))
        attributes["calibration"] = all_changes.values
        self.cfg["threshold"] = calibration.score(self.cfg["threshold"], num_words)
        return all_changes

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch of examples.

        examples (Iterable[Example]): The examples. The reference holds the gold relations.
        drop (float): The dropout rate of layers whose own config sets none.
        sgd (Optional[Optimizer]): The optimizer; None to accumulate the gradient.
        losses (Optional[Dict[str, float]]): The losses of this epoch. The new loss is added.
        RETURNS (Dict[str, float]): The losses.
        RAISES (ValueError): If the component has no labels yet; and as `get_loss`.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "DocRelationExtractor.update")
        if not any(len(example.predicted) for example in examples):
            return losses
        self._require_initialized()
        # Documents that teach nothing stay: what other components teach the transformer reaches it
        # with the gradient of its last listener.
        documents = [
            self.entity_policy.choose(example.predicted, example)
            if learns_from(example, self.distillation)
            else EntityDoc(example.predicted, [])
            for example in examples
        ]
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update(documents)
        loss, gradients = self._differentiate(examples, scores)
        cast(Callable[..., Any], backprop)(*gradients)
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(
        self, examples: Iterable[Example], scores: Sequence[PairScores]
    ) -> Tuple[float, List[Floats2d]]:
        """Compute the loss of a batch, and its gradient. The loss is the sum of the losses on gold
        relations (eq. 11), on gold evidence (if `evidence` is set), and on the teacher's logits
        (eq. 12; if `distillation` is set). Unannotated relations and evidence are left out.

        examples (Iterable[Example]): The examples.
        scores (Sequence[PairScores]): The scores of their pairs.
        RETURNS (Tuple[float, List[Floats2d]]): The loss, and for each Doc the gradient of
            its logits, shape (pairs, 1 + relations).
        RAISES (ValueError): If an example holds an unknown relation; if its teacher has other
            relations; if prediction and reference have different texts; or if evidence is learnt,
            and the Doc has no sentence boundaries or the scores come from `predict`.
        """
        loss, (d_logits, _) = self._differentiate(examples, scores)
        return loss, d_logits

    def _differentiate(
        self, examples: Iterable[Example], scores: Sequence[PairScores]
    ) -> Tuple[float, BatchGradients]:
        alignments = [
            GoldAlignment(example, prediction.document.entities)
            for example, prediction in zip(examples, scores, strict=True)
        ]
        batch, distill, labels = BatchTensors(scores), self.distillation, self.labels
        taught = [None] * len(scores) if distill is None else distill.ask(alignments, labels)
        loss = relation_loss(
            self.loss, self.partial, batch.logits, alignments, taught, labels, self.name
        )
        if self.evidence is not None:
            loss = loss + evidence_loss(self.evidence, batch.shares, alignments)
        if distill is not None:
            shares = batch.shares if distill.evidence_weight else []
            loss = loss + distill(batch.logits, taught, shares)
        return loss.item(), batch.gradients(loss)

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights. `learn_rate_factor` holds for the component's own weights.

        sgd (Optimizer): The optimizer.
        """
        self.model.get_ref("tok2vec").finish_update(sgd)
        pair_scorer = self.model.get_ref("pair_scorer")
        factor, network = self.learn_rate_factor, pair_scorer.shims[0]._model
        pair_scorer.finish_update(scale_by_part(sgd, factor, network))

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score a batch of examples.

        If nothing in the pipeline sets entities, the component takes them from the reference,
        e.g. when `spacy evaluate` gives bare text to a transformer and this component alone.

        examples (Iterable[Example]): The examples, with predictions.
        RETURNS (Dict[str, Any]): The scores.
        """
        examples = list(examples)
        choose = self.entity_policy.choose
        for example in examples:
            if has_relations(example.reference) and choose(example.predicted).missing is not None:
                document = choose(example.predicted, example)
                self.set_annotations([document.doc], self.score_entities([document]))
        return cast(Dict[str, Any], super().score(examples, **kwargs))
