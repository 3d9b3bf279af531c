"""The layer that reads the output of the pipeline's transformer, and notices the output of another
one.

All transformers write to `doc._.trf_data`: a later one overwrites the output of an earlier one.
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
    """RETURNS (str): A name that no other transformer of this process has."""
    return f"{getpid()}.{next(_numbers)}"


def leave_sources(docs: Sequence[Doc], outputs: Sequence[TransformerData], source: str) -> None:
    """Note in a transformer's outputs which transformer they come from. Also note the transformers
    whose outputs they overwrite before a relation extractor has read them.

    docs (Sequence[Doc]): The documents.
    outputs (Sequence[TransformerData]): The output for each document.
    source (str): The name of the transformer.
    """
    install_extensions()
    for doc, data in zip(docs, outputs, strict=True):
        earlier = doc._.trf_data
        unread = earlier is not None and attention_of(earlier) is not None
        before = [other for other in _sources(earlier) if other != source] if unread else []
        setattr(data, _SOURCES, (*before, source))


def _sources(data: TransformerData) -> Tuple[str, ...]:
    """Return the transformers whose output was overwritten unread, and last the transformer that
    the output comes from; nothing if this is not known, e.g. for a stored Doc."""
    return getattr(data, _SOURCES, ())


class AttentionListener(TransformerListener):
    """Reads the output of a transformer for Docs.

    upstream_name (str): The name of the transformer component, or "*" for the transformer before
        it.
    """

    def __init__(self, upstream_name: str) -> None:
        super().__init__(upstream_name)
        self._func = forward

    def connect(self, nlp: Language) -> None:
        """Note the pipeline, which has the transformer to listen to. A warning is given if its
        transformers have other names: their output is read, but they get no gradient in training.

        nlp (Language): The pipeline.
        """
        _pipelines[self] = ref(nlp)
        names = [name for name, _ in self._transformers()]
        if names and self.upstream_name not in ("*", *names):
            warnings.warn(
                f"The relation extractor listens to {self.upstream_name!r}, but the pipeline has "
                f"no transformer of that name before it. It has {_listed(names)}. {self._remedy()}",
                stacklevel=2,
            )

    def receive(self, batch_id: int, outputs: List[TransformerData], backprop: Backprop) -> None:
        """Receive the output of a transformer in training.

        batch_id (int): The id of the batch.
        outputs (List[TransformerData]): The output for each document.
        backprop (Callable[[List[TransformerData]], List[Doc]]): Takes the gradient of the output.
        RAISES (ValueError): If another transformer has read the same documents.
        """
        if self._batch_id == batch_id and self._outputs is not None:
            sources = {_sources(data)[-1:] for data in (*self._outputs, *outputs)} - {()}
            if len(sources) > 1:
                raise ValueError(self._two(self._names_of(*(source for (source,) in sources))))
        super().receive(batch_id, outputs, backprop)

    def verify_inputs(self, inputs: List[Doc]) -> bool:
        """Check that documents are those that the transformer has read. Their tokens may have
        changed since.

        inputs (List[Doc]): The documents.
        RETURNS (bool): True.
        RAISES (ValueError): If they are other documents.
        """
        outputs = self._outputs or []
        if len(outputs) != len(inputs) or not all(map(is_of_text, outputs, inputs)):
            raise ValueError(
                "The relation extractor is trained on other documents than its transformer. Update "
                "both on the same examples, as nlp.update() does."
            )
        return True

    def require_source(self, data: TransformerData) -> None:
        """Check that the output on a Doc comes from the transformer to listen to.

        data (TransformerData): The output on a Doc.
        RAISES (ValueError): If the output comes from another transformer.
        """
        *unread, source = _sources(data) or (None,)
        if source is None:
            names = [name for name, _ in self._transformers()]
            if attention_of(data) is None and len(names) > 1:
                raise ValueError(
                    "The relation extractor finds no attention on the document. The pipeline has "
                    f"the transformers {_listed(names)}, and a later one overwrites the output of "
                    f"an earlier one. {self._remedy()}"
                )
        elif self.upstream_name != "*":
            # A transformer that is not in the pipeline may be a copy of one that is: no error.
            names = self._names_of(source)
            known = dict(self._transformers())
            # In the pipeline that the extractor comes from, the transformer may have another name:
            # no error either.
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
            "The relation extractor listens to one transformer, but two have written to the "
            f"document: {_listed(names)}. {self._remedy()}"
        )

    def _remedy(self) -> str:
        to = "any" if self.upstream_name == "*" else repr(self.upstream_name)
        return (
            f"It listens to {to}. Name the transformer that it was trained with, "
            '[components.doc_relation_extractor.model.tok2vec] upstream = "...", and put no other '
            "transformer between the two."
        )

    def _transformers(self) -> Iterator[Tuple[str, Transformer]]:
        nlp = _pipelines.get(self, lambda: None)()
        for name, component in () if nlp is None else nlp.components:
            if isinstance(component, Transformer):
                yield name, component


# The pipeline of each listener. It is not an attribute: listeners are sent to other processes,
# where they have another pipeline.
_pipelines: "WeakKeyDictionary[AttentionListener, ReferenceType[Language]]" = WeakKeyDictionary()


def forward(
    model: AttentionListener, docs: List[Doc], is_train: bool
) -> Tuple[List[TransformerData], Backprop]:
    """Read the transformer's output for Docs.

    model (AttentionListener): The layer.
    docs (List[Doc]): The documents.
    is_train (bool): Whether it is a training step.
    RETURNS (Tuple[List[TransformerData], Callable]): The output for each document, and the backward
        pass.
    RAISES (ValueError): If another transformer has overwritten the output.
    """
    install_extensions()
    heard = is_train and model._batch_id is not None
    outputs, backprop = listen(model, docs, is_train)
    for doc, data in zip(docs, outputs, strict=True):
        if len(doc) and not heard:
            model.require_source(data)
    return outputs, backprop


def is_of_text(data: TransformerData, doc: Doc) -> bool:
    """Tell whether a transformer's output is for the text of a Doc.

    data (TransformerData): The transformer's output.
    doc (Doc): The document.
    RETURNS (bool): Whether it is, as far as this is known.
    """
    checksum = data.model_output.get(TEXT_CHECKSUM)
    return checksum is None or bool((to_numpy(checksum) == text_checksum(doc)).all())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
