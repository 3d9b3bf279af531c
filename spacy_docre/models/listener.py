"""The layer that hears what the pipeline's transformer says, and notices when it is another one's.

Transformers write to one place, `doc._.trf_data`: the later overwrites the earlier.
"""

import warnings
from itertools import count
from os import getpid
from typing import Callable, Iterator, List, Sequence, Tuple
from weakref import ReferenceType, WeakKeyDictionary, ref

from spacy.language import Language
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from spacy_transformers.layers.listener import TransformerListener
from spacy_transformers.layers.listener import forward as listen
from spacy_transformers.pipeline_component import Transformer, install_extensions
from thinc.api import to_numpy

from .attention import attention_of
from .windows import TEXT_CHECKSUM, text_checksum

Backprop = Callable[[List[TransformerData]], List[Doc]]

_SOURCES = "docre_sources"
_numbers = count()


def name_source() -> str:
    """RETURNS (str): What tells a transformer from all others of this process."""
    return f"{getpid()}.{next(_numbers)}"


def leave_sources(docs: Sequence[Doc], outputs: Sequence[TransformerData], source: str) -> None:
    """Note on what a transformer says of Docs that it comes from it, and from whom there was
    something on them that no relation extractor has read.

    docs (Sequence[Doc]): The documents.
    outputs (Sequence[TransformerData]): What it says of each.
    source (str): The transformer.
    """
    install_extensions()
    for doc, data in zip(docs, outputs, strict=True):
        earlier = doc._.trf_data
        unread = earlier is not None and attention_of(earlier) is not None
        before = [other for other in _sources(earlier) if other != source] if unread else []
        setattr(data, _SOURCES, (*before, source))


def _sources(data: TransformerData) -> Tuple[str, ...]:
    """The transformer that something comes from, the last, and those before it that nobody has
    read; none where that is not known, as of a Doc that was stored."""
    return getattr(data, _SOURCES, ())


class AttentionListener(TransformerListener):
    """Hears what a transformer says of Docs.

    upstream_name (str): The name of the transformer component, or "*" for the one before it.
    """

    def __init__(self, upstream_name: str) -> None:
        super().__init__(upstream_name)
        self._func = forward

    def connect(self, nlp: Language) -> None:
        """Get to know the pipeline, which has the transformer to listen to. A warning says where
        it has others only: then they are heard, but nothing goes back to them in training.

        nlp (Language): The pipeline.
        """
        _pipelines[self] = ref(nlp)
        names = [name for name, _ in self._transformers()]
        if names and self.upstream_name not in ("*", *names):
            warnings.warn(
                f"The relation extractor listens to {self.upstream_name!r}, and the pipeline has "
                f"no transformer of that name before it, but {_listed(names)}. {self._remedy()}",
                stacklevel=2,
            )

    def receive(self, batch_id: int, outputs: List[TransformerData], backprop: Backprop) -> None:
        """Hear a transformer in training.

        batch_id (int): Tells its batch from others.
        outputs (List[TransformerData]): What it says of each document.
        backprop (Callable[[List[TransformerData]], List[Doc]]): Takes its gradient.
        RAISES (ValueError): If another transformer has spoken of the same documents.
        """
        if self._batch_id == batch_id and self._outputs is not None:
            sources = {_sources(data)[-1:] for data in (*self._outputs, *outputs)} - {()}
            if len(sources) > 1:
                raise ValueError(self._two(self._names_of(*(source for (source,) in sources))))
        super().receive(batch_id, outputs, backprop)

    def verify_inputs(self, inputs: List[Doc]) -> bool:
        """See that documents are those that the transformer spoke of. Their tokens may have
        changed since.

        inputs (List[Doc]): The documents.
        RETURNS (bool): True.
        RAISES (ValueError): If they are others.
        """
        outputs = self._outputs or []
        if len(outputs) != len(inputs) or not all(map(is_of_text, outputs, inputs)):
            raise ValueError(
                "The relation extractor is trained on other documents than its transformer. Update "
                "both on the same examples, as nlp.update() does."
            )
        return True

    def require_source(self, data: TransformerData) -> None:
        """See that something comes from the transformer to listen to.

        data (TransformerData): What is on a Doc.
        RAISES (ValueError): If it comes from another one.
        """
        *unread, source = _sources(data) or (None,)
        if source is None:
            names = [name for name, _ in self._transformers()]
            if attention_of(data) is None and len(names) > 1:
                raise ValueError(
                    "The relation extractor finds no attention on the document. The pipeline has "
                    f"the transformers {_listed(names)}, and the later overwrites what the earlier "
                    f"has left. {self._remedy()}"
                )
        elif self.upstream_name != "*":
            # One that the pipeline does not have may be a copy of the one it has.
            names = self._names_of(source)
            known = dict(self._transformers())
            # Nor is one of the pipeline that it was taken from, where it has another name.
            other = names and self.upstream_name not in names
            if other and (unread or self.upstream_name in known):
                raise ValueError(self._two([self.upstream_name, *names]))
        elif unread:
            raise ValueError(self._two(self._names_of(unread[-1], source)))

    def _names_of(self, *sources: str) -> List[str]:
        return [
            name
            for name, component in self._transformers()
            if getattr(component.model, "source", None) in sources
        ]

    def _two(self, names: Sequence[str]) -> str:
        if len(names) < 2:
            names = [*names, "one of another pipeline"]
        return (
            "The relation extractor listens to one transformer, and two have left something on the "
            f"document: {_listed(names)}. {self._remedy()}"
        )

    def _remedy(self) -> str:
        to = "any" if self.upstream_name == "*" else repr(self.upstream_name)
        return (
            f"It listens to {to}: name the one that it was trained with, "
            '[components.doc_relation_extractor.model.tok2vec] upstream = "...", and let no other '
            "stand between the two."
        )

    def _transformers(self) -> Iterator[Tuple[str, Transformer]]:
        nlp = _pipelines.get(self, lambda: None)()
        for name, component in () if nlp is None else nlp.components:
            if isinstance(component, Transformer):
                yield name, component


# The pipeline of each listener. Not an attribute: a listener goes to other processes, where it has
# another pipeline.
_pipelines: "WeakKeyDictionary[AttentionListener, ReferenceType[Language]]" = WeakKeyDictionary()


def forward(
    model: AttentionListener, docs: List[Doc], is_train: bool
) -> Tuple[List[TransformerData], Backprop]:
    """Hear what the transformer says of Docs.

    model (AttentionListener): The layer.
    docs (List[Doc]): The documents.
    is_train (bool): Whether it is a training step.
    RETURNS (Tuple[List[TransformerData], Callable]): What it says of each, and the backward pass.
    RAISES (ValueError): If another transformer has overwritten it.
    """
    install_extensions()
    heard = is_train and model._batch_id is not None
    outputs, backprop = listen(model, docs, is_train)
    for doc, data in zip(docs, outputs, strict=True):
        if len(doc) and not heard:
            model.require_source(data)
    return outputs, backprop


def is_of_text(data: TransformerData, doc: Doc) -> bool:
    """Tell whether something was said of the text of a Doc.

    data (TransformerData): What a transformer has said.
    doc (Doc): The document.
    RETURNS (bool): Whether it was, as far as that is known.
    """
    checksum = data.model_output.get(TEXT_CHECKSUM)
    return checksum is None or bool((to_numpy(checksum) == text_checksum(doc)).all())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
