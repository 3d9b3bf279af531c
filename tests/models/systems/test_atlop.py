"""ATLOP, which is a config: KD-DocRE's parts with other settings."""

from pathlib import Path

from spacy.util import load_config
from thinc.api import Config

from tests.models.systems.overfitting import assert_learnt, overfit

CONFIGS = Path(__file__).parents[3] / "configs"


def test_overfits_ten_documents(make_pipeline, make_examples, train_step, tmp_path) -> None:
    """With all that the config names, but the sizes."""
    variant = Config().from_disk(CONFIGS / "systems" / "atlop.cfg")["components"]
    extractor = variant["doc_relation_extractor"]
    model = {**extractor.pop("model"), "block_size": 4}
    examples = make_examples(10)
    nlp = overfit(
        make_pipeline,
        examples,
        train_step,
        transformer={**variant["transformer"]["model"], "window": 24, "stride": 18},
        model=model,
        **extractor,
    )
    assert_learnt(nlp, examples, tmp_path)
    network = nlp.get_pipe("doc_relation_extractor").model.get_ref("pair_scorer").shims[0]._model
    assert network.pair_encoder is None and network.context_pooling.smoothing == 1e-5


def test_width_is_not_below_the_number_of_relations() -> None:
    """DocRED has 96, and TH: then the product and the linear map are ATLOP's bilinear form."""
    base = load_config(CONFIGS / "redocred_minilm.cfg")["components"]["doc_relation_extractor"]
    assert base["model"]["pair_width"] >= 97
