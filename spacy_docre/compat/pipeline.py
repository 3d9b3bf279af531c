"""A pipeline made of a checkpoint of the authors' released code, or of ATLOP's."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, cast

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..annotations import set_entities, set_relations
from ..data.gold_annotations import make_example
from ..data.json_files import parse_json, read_text
from ..models.serialization import load_weights
from .released_weights import ATLOP_SMOOTHING, HEADS, ReleasedWeights, read_released

# The released code annotates at most so many relations of a pair.
TOP_K = 4


def read_relation_ids(path: Path) -> List[str]:
    """Read the relations that the classes of a checkpoint stand for.

    path (Path): A JSON object of relations and their numbers; number 0, which is no relation,
        stands for the threshold class TH.
    RETURNS (List[str]): The relations, from number 1 on.
    RAISES (ValueError): If the numbers are not 0, 1, 2 ...
    """
    numbers = parse_json(read_text(path), str(path))
    if not isinstance(numbers, dict) or sorted(map(str, numbers.values())) != sorted(
        map(str, range(len(numbers)))
    ):
        raise ValueError(
            f'{path} should number the relations from 0 on, e.g. {{"Na": 0, "P1159": 1}}.'
        )
    return sorted(numbers, key=lambda label: int(numbers[label]))[1:]


def make_released_pipeline(
    checkpoint: Path,
    encoder: str,
    labels: List[str],
    *,
    names: Mapping[str, str] = {},
    lang: str = "en",
    padded: bool = True,
) -> Language:
    """Make a pipeline of a checkpoint.

    Mentions get markers, and are embedded by the first; special tokens are part of the context.
    Documents that fit into one window of the encoder get the logits of the original.

    checkpoint (Path): The state dict.
    encoder (str): The encoder it was trained from, a folder or a model on the Hugging Face hub:
        its sizes and its tokenizer. The weights are those of the checkpoint.
    labels (List[str]): The relations, in the order of the classes.
    names (Mapping[str, str]): Readable names of the relations.
    lang (str): The language.
    padded (bool): Whether to pad tables of pairs as the original does, with
        `spacy_docre.PaddedAxialAttention.v1`. Without it the pipeline is faster, and its logits
        are other ones.
    RETURNS (Language): The pipeline.
    RAISES (ValueError): If the file is not such a checkpoint, or does not belong to the encoder or
        the relations.
    """
    weights = read_released(checkpoint)
    if weights.num_classes != 1 + len(labels):
        raise ValueError(
            f"{checkpoint} has {weights.num_classes} classes, TH among them, and there are "
            f"{len(labels)} relations. Name the file of relations that it was trained with."
        )
    nlp = spacy.blank(lang)
    nlp.add_pipe("transformer", config=_transformer_config(encoder))
    extractor = nlp.add_pipe("doc_relation_extractor", config=_extractor_config(weights, padded))
    cast(Any, extractor).label_names.update(names)
    nlp.config["initialize"]["components"] = {"doc_relation_extractor": {"labels": labels}}
    nlp.initialize(lambda: [_example(nlp)])
    # The list has done its service, and would stand in the way of another training.
    nlp.config["initialize"]["components"] = {}
    _load_encoder(cast(Any, nlp.get_pipe("transformer")).model.transformer, weights, encoder)
    network = cast(Any, extractor).model.get_ref("pair_scorer").shims[0]._model
    load_weights(network, weights.network, f"checkpoint {checkpoint}")
    return nlp


def _transformer_config(encoder: str) -> Dict[str, Any]:
    return {
        "model": {
            "@architectures": "spacy_docre.TransformerModel.v1",
            "name": encoder,
            "tokenizer_config": {"use_fast": True},
            # Windows with markers are cut where they do not fit.
            "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
            "mention_markers": {"@misc": "spacy_docre.MentionMarkers.v1"},
        }
    }


def _extractor_config(weights: ReleasedWeights, padded: bool) -> Dict[str, Any]:
    pair_encoder: Optional[Dict[str, Any]] = None
    if weights.depth is not None:
        kind = "PaddedAxialAttention" if padded else "AxialAttention"
        pair_encoder = {
            "@layers": f"spacy_docre.{kind}.v1",
            "depth": weights.depth,
            "heads": HEADS,
            **({} if padded else {"order": "parallel", "transform": True}),
        }
    return {
        "top_k": TOP_K,
        "model": {
            "@architectures": "spacy_docre.DocRelationModel.v1",
            "width": weights.width,
            "block_size": weights.block_size,
            "pair_width": weights.pair_width,
            "dropout": 0.0,
            "mention_pooling": "first",
            "special_tokens": True,
            "smoothing": 0.0 if weights.depth is not None else ATLOP_SMOOTHING,
            "pair_encoder": pair_encoder,
            "tok2vec": {"@architectures": "spacy_docre.TransformerListener.v1"},
        },
    }


def _example(nlp: Language) -> Example:
    """A document of two entities, for the sizes of the network."""
    doc = Doc(nlp.vocab, words=["a", "b"])
    set_entities(doc, [[doc[0:1]], [doc[1:2]]])
    set_relations(doc, [])
    return make_example(doc)


def _load_encoder(transformer: Any, weights: ReleasedWeights, encoder: str) -> None:
    expected = transformer.state_dict()
    found = {name: value for name, value in weights.encoder.items() if name in expected}
    missing = sorted(expected.keys() - found.keys())
    other = sorted(name for name in found if found[name].shape != expected[name].shape)
    if missing or other:
        raise ValueError(
            f"The checkpoint was not trained from the encoder {encoder}: it "
            f"{'has no ' if missing else 'has another shape of '}{(missing or other)[0]}. Name the "
            "encoder that it was trained from."
        )
    transformer.load_state_dict(found)
