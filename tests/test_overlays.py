"""The files of what differs from the config: parts left out, and systems of other papers."""

from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import pytest
from spacy.util import load_config, load_model_from_config
from thinc.api import Config

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"
OVERLAYS = sorted(path for room in ("ablations", "systems") for path in (CONFIGS / room).iterdir())
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


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_an_overlay_differs_from_the_config_in_what_it_names(overlay: Path) -> None:
    base = load_config(CONFIGS / "redocred_minilm.cfg")
    difference = Config().from_disk(overlay)
    merged = base.merge(difference)
    named, ours, theirs = flat(difference), flat(base), flat(merged)
    changed = {name for name in {*ours, *theirs} if ours.get(name, "") != theirs.get(name, "")}
    assert all(theirs[name] == named[name] for name in named)
    assert bool(changed) == (overlay.stem != "full")
    # Of a block whose function is another, nothing stays.
    exchanged = {name[:-1] for name in changed & named.keys() if name[-1].startswith("@")}
    exchanged |= {name for name in named if named[name] is None}

    def is_exchanged(name: Tuple[str, ...]) -> bool:
        return any(name[:length] in exchanged for length in range(1, len(name)))

    assert all(name in changed or is_exchanged(name) for name in named)
    assert all(is_exchanged(name) for name in changed - named.keys())


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_an_overlay_makes_a_pipeline(
    overlay: Path, encoder: Callable, make_examples: Callable
) -> None:
    merged = load_config(CONFIGS / "redocred_minilm.cfg").merge(Config().from_disk(overlay))
    merged["paths"]["encoder"] = encoder("bert")
    nlp = load_model_from_config(merged.interpolate())
    examples = make_examples(2)
    nlp.get_pipe("transformer").initialize(lambda: examples, nlp=nlp)
    nlp.get_pipe(EXTRACTOR).initialize(lambda: examples, nlp=nlp)
    assert all(nlp(example.predicted)._.relations is not None for example in examples)
