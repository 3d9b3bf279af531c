"""The token vectors of two networks, concatenated."""

from typing import Callable, List, Optional, Tuple

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

Tok2Vec = Model[List[Doc], List[Floats2d]]


def initialize(model: Tok2Vec, X: Optional[List[Doc]] = None, Y: Optional[object] = None) -> None:
    """Initialize both networks."""
    for layer in model.layers:
        layer.initialize(X=X)


def forward(
    model: Tok2Vec, docs: List[Doc], is_train: bool
) -> Tuple[List[Floats2d], Callable[[List[Floats2d]], List[Doc]]]:
    """Concatenate the vectors; the backward pass gives each network its part of the gradient."""
    (first, backprop_first), (second, backprop_second) = (
        layer(docs, is_train) for layer in model.layers
    )
    for doc, *vectors in zip(docs, first, second, strict=True):
        _require_all_tokens(doc, [len(rows) for rows in vectors])

    def backprop(d_joined: List[Floats2d]) -> List[Doc]:
        widths = [vectors.shape[1] for vectors in first]
        ascontiguous = model.ops.xp.ascontiguousarray
        backprop_first(
            [ascontiguous(d[:, :width]) for d, width in zip(d_joined, widths, strict=True)]
        )
        backprop_second(
            [ascontiguous(d[:, width:]) for d, width in zip(d_joined, widths, strict=True)]
        )
        return docs

    joined = [model.ops.xp.concatenate(pair, axis=1) for pair in zip(first, second, strict=True)]
    return joined, backprop


def _require_all_tokens(doc: Doc, lengths: List[int]) -> None:
    """Check that each network has a vector for each token of the Doc."""
    for length in lengths:
        if length != len(doc):
            raise ValueError(
                f"The document that begins {doc[:5].text!r} has {len(doc)} tokens, but a network "
                f"of spacy_docre.JoinedTok2Vec.v1 has {length} vectors for it. A component may "
                "merge or split tokens: put it before the 'transformer', or after all components "
                "that listen to it, e.g. 'ner'. The get_spans of the transformer may leave out "
                "tokens: set windows that cover all of them."
            )
