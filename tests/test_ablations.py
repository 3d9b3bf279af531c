"""The variants of the config, and the script that trains them."""

from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import pytest
import spacy
import srsly
from spacy.util import load_config, load_model_from_config
from thinc.api import Config

from spacy_docre.data.corpus_files import write_docs
from tests.scripts import run_script

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"
VARIANTS = sorted((CONFIGS / "ablations").glob("*.cfg"))
SYSTEMS = sorted((CONFIGS / "systems").glob("*.cfg"))
EXTRACTOR = "doc_relation_extractor"


def flat(config: dict, path: Tuple[str, ...] = ()) -> Dict[Tuple[str, ...], Any]:
    """The settings of a config by their whole names."""
    settings: Dict[Tuple[str, ...], Any] = {}
    for name, value in config.items():
        if isinstance(value, dict) and value:
            settings.update(flat(value, (*path, name)))
        else:
            settings[(*path, name)] = value
    return settings


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda path: path.stem)
def test_variant_differs_from_the_config_in_what_it_names(variant: Path) -> None:
    base = load_config(CONFIGS / "redocred_minilm.cfg")
    difference = Config().from_disk(variant)
    merged = base.merge(difference)
    named, ours, theirs = flat(difference), flat(base), flat(merged)
    changed = {name for name in {*ours, *theirs} if ours.get(name, "") != theirs.get(name, "")}
    assert named.keys() <= changed and all(theirs[name] == named[name] for name in named)
    assert bool(changed) == (variant.stem != "full")
    exchanged = {name[:-1] for name in named if name[-1].startswith("@")}
    exchanged |= {name for name in named if named[name] is None}
    assert all(name[:-1] in exchanged for name in changed - named.keys())
    extractor, transformer = (merged["components"][name] for name in (EXTRACTOR, "transformer"))
    markers = transformer["model"].get("mention_markers")
    blocks = {"loss": extractor["loss"], "layer": extractor["model"]["pair_encoder"]}
    spacy.registry.resolve(blocks if markers is None else {**blocks, "markers": markers})


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda path: path.stem)
def test_a_system_makes_a_pipeline(
    system: Path, encoder: Callable, make_examples: Callable
) -> None:
    """Its model block stands for that of the config, of which no setting is left."""
    difference = Config().from_disk(system)
    merged = load_config(CONFIGS / "redocred_minilm.cfg").merge(difference)
    named, found = (config["components"][EXTRACTOR]["model"] for config in (difference, merged))
    assert flat(named) == flat(found)
    merged["paths"]["encoder"] = encoder("bert")
    nlp = load_model_from_config(merged.interpolate())
    examples = make_examples(2)
    nlp.get_pipe("transformer").initialize(lambda: examples, nlp=nlp)
    nlp.get_pipe(EXTRACTOR).initialize(lambda: examples, nlp=nlp)
    assert all(nlp(example.predicted)._.relations is not None for example in examples)


def test_table(
    encoder: Callable, make_examples: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    docs = [example.reference for example in make_examples(4)]
    write_docs({Path("corpus/train.spacy"): docs, Path("corpus/dev.spacy"): docs})
    settings = ["--paths.encoder", encoder("bert"), "--training.max_steps", 1]
    settings += ["--training.eval_frequency", 1]
    config, variant = CONFIGS / "redocred_minilm.cfg", CONFIGS / "ablations" / "no_axial.cfg"
    arguments = [config, "--variant", variant, "--seeds", 2, *settings]
    assert run_script(monkeypatch, "ablations.py", arguments) == 0
    trained = Path("training/ablations/no_axial/1/model-last")
    written = (trained / "meta.json").stat().st_mtime_ns
    (tmp_path / "training/ablations/no_axial/0/scores/metrics.json").unlink()
    assert run_script(monkeypatch, "ablations.py", arguments) == 0
    assert (trained / "meta.json").stat().st_mtime_ns == written
    arguments += ["--training.dropout", 0.3]
    assert run_script(monkeypatch, "ablations.py", arguments) == 1
    pair_encoder = spacy.load(trained).config["components"][EXTRACTOR]["model"]["pair_encoder"]
    assert pair_encoder is None
    scores = srsly.read_json("training/ablations/no_axial/0/scores/metrics.json")
    (row,) = [
        line for line in Path("metrics/ablations.md").read_text("utf8").splitlines()
        if line.startswith("| no axial")
    ]  # fmt: skip
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    assert cells[0] == "2" and all("±" in cell or cell == "–" for cell in cells[1:])
    assert scores["rel_ign_f"] is not None
