"""Settings that stand in the config and in the component's own file."""

import json
import warnings
from pathlib import Path
from typing import Any, Dict

import pytest
import spacy
from spacy.language import Language
from spacy.util import load_model_from_config

from tests.pipeline.helpers import EXTRACTOR

SECTION = f"components.{EXTRACTOR}"
NAMES = {"born in": "place of birth"}


@pytest.fixture(scope="module")
def folder(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline whose config sets all of them."""
    nlp = spacy.load(
        trained_folder,
        config={SECTION: {"threshold": 0.45, "top_k": 3, "label_names": dict(NAMES)}},
    )
    folder = tmp_path_factory.mktemp("configured")
    nlp.to_disk(folder)
    return folder


@pytest.fixture(autouse=True)
def no_warnings() -> Any:
    """Where the config wins, or says the same, there is nothing to say."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*has settings that differ")
        yield


def in_force(nlp: Language) -> Dict[str, Any]:
    cfg = nlp.get_pipe(EXTRACTOR).cfg
    return {name: cfg[name] for name in ("threshold", "top_k", "label_names")}


def in_config(nlp: Language) -> Dict[str, Any]:
    config = nlp.config["components"][EXTRACTOR]
    return {name: config[name] for name in ("threshold", "top_k", "label_names")}


def as_before(folder: Path, **settings: Any) -> None:
    """As an older version stored them: without what the config said."""
    file = folder / EXTRACTOR / "cfg"
    cfg = json.loads(file.read_text())
    del cfg["configured"]
    file.write_text(json.dumps({**cfg, **settings}))


@pytest.mark.parametrize("version", ["this", "older"])
@pytest.mark.parametrize(
    "name, value",
    [
        ("threshold", 0.99),
        ("threshold", 0.0),
        ("top_k", 1),
        ("top_k", None),
        ("label_names", {"born in": "birthplace"}),
        ("label_names", {**NAMES, "works for": "employer"}),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_overrides_win(
    folder: Path, tmp_path: Path, version: str, name: str, value: Any, nested: bool
) -> None:
    spacy.load(folder).to_disk(tmp_path / "copy")
    if version == "older":
        as_before(tmp_path / "copy")
    path = f"{SECTION}.{name}"
    config = {"components": {EXTRACTOR: {name: value}}} if nested else {path: value}
    nlp = spacy.load(tmp_path / "copy", config=config)
    assert in_force(nlp) == in_config(nlp)
    assert in_force(nlp)[name] == value
    # It is so for good.
    nlp.to_disk(tmp_path / "again")
    assert in_force(spacy.load(tmp_path / "again"))[name] == value


def test_the_threshold_is_applied(loaded: Language, tmp_path: Path) -> None:
    loaded.to_disk(tmp_path)
    text = "Ada Lane was born in Oslo ."
    found = []
    for threshold in (0.0, 1.0):
        nlp = spacy.load(tmp_path, config={f"{SECTION}.threshold": threshold})
        ruler = nlp.add_pipe("entity_ruler", first=True)
        ruler.add_patterns([{"label": "THING", "pattern": name} for name in ("Ada Lane", "Oslo")])
        found.append(len(nlp(text)._.relations))
    assert found[0] > 0 == found[1]


def test_a_variable_that_is_overridden(folder: Path, tmp_path: Path) -> None:
    spacy.load(folder).to_disk(tmp_path)
    file = tmp_path / "config.cfg"
    text = file.read_text().replace("threshold = 0.45", "threshold = ${vars.threshold}")
    file.write_text(f"[vars]\nthreshold = 0.45\n\n{text}")
    as_before(tmp_path)
    assert in_force(spacy.load(tmp_path))["threshold"] == 0.45
    nlp = spacy.load(tmp_path, config={"vars.threshold": 0.6})
    assert in_force(nlp)["threshold"] == 0.6


def test_a_config_that_is_edited(folder: Path, tmp_path: Path) -> None:
    spacy.load(folder).to_disk(tmp_path)
    file = tmp_path / "config.cfg"
    file.write_text(file.read_text().replace("threshold = 0.45", "threshold = 0.7"))
    nlp = spacy.load(tmp_path)
    assert in_force(nlp)["threshold"] == in_config(nlp)["threshold"] == 0.7


@pytest.mark.parametrize("by", ["disk", "bytes"])
def test_another_pipeline_reads_it(folder: Path, by: str) -> None:
    trained = spacy.load(folder)
    config = trained.config.merge({"components": {EXTRACTOR: {"threshold": 0.9, "top_k": 1}}})
    nlp = load_model_from_config(config)
    if by == "disk":
        nlp.from_disk(folder)
    else:
        nlp.from_bytes(trained.to_bytes())
    assert in_force(nlp) == {"threshold": 0.9, "top_k": 1, "label_names": NAMES}
    assert in_config(nlp) == in_force(nlp)


def test_names_that_training_has_found(folder: Path) -> None:
    """They are kept beside those of the config."""
    nlp = spacy.load(folder)
    nlp.get_pipe(EXTRACTOR).label_names["works for"] = "employer"
    copied = load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert in_force(copied)["label_names"] == {**NAMES, "works for": "employer"}


@pytest.mark.parametrize("version", ["this", "older"])
def test_a_threshold_that_was_tuned(folder: Path, tmp_path: Path, version: str) -> None:
    """In the component alone: it counts, and a warning says how to have it in both."""
    nlp = spacy.load(folder)
    nlp.get_pipe(EXTRACTOR).cfg["threshold"] = 0.2
    nlp.get_pipe(EXTRACTOR).label_names["born in"] = "birthplace"
    nlp.to_disk(tmp_path)
    if version == "older":
        as_before(tmp_path)
    with pytest.warns(UserWarning) as caught:
        tuned = spacy.load(tmp_path)
    (message,) = {str(w.message) for w in caught if "has settings that differ" in str(w.message)}
    assert "threshold = 0.2 (in the config: 0.45)" in message
    assert "label_names.born in = 'birthplace' (in the config: 'place of birth')" in message
    assert in_force(tuned)["threshold"] == 0.2
    names = {"born in": "birthplace"}
    both = spacy.load(tmp_path, config={SECTION: {"threshold": 0.2, "label_names": names}})
    both.to_disk(tmp_path / "both")
    nlp = spacy.load(tmp_path / "both")
    assert in_force(nlp) == in_config(nlp) == {"threshold": 0.2, "top_k": 3, "label_names": names}


@pytest.mark.parametrize("version", ["this", "older"])
@pytest.mark.parametrize("threshold", [0.3, 0.7, 1e-12, 0.1234567890123456])
def test_numbers_that_are_rounded_where_they_are_stored(
    folder: Path, tmp_path: Path, threshold: float, version: str
) -> None:
    """They are not taken for others: a tuned threshold stays, and so does that of the config."""
    nlp = spacy.load(folder, config={SECTION: {"threshold": threshold}})
    nlp.to_disk(tmp_path / "as_configured")
    nlp.get_pipe(EXTRACTOR).cfg["threshold"] = 0.2
    nlp.to_disk(tmp_path / "tuned")
    if version == "older":
        for name in ("as_configured", "tuned"):
            as_before(tmp_path / name)
    assert in_force(spacy.load(tmp_path / "as_configured"))["threshold"] == threshold
    with pytest.warns(UserWarning, match="threshold = 0.2 .in the config"):
        tuned = spacy.load(tmp_path / "tuned")
    assert in_force(tuned)["threshold"] == 0.2


def test_bytes_of_an_older_version(folder: Path) -> None:
    """Nothing tells what its config said: what it was given counts, with a word of it."""
    nlp = spacy.load(folder)
    extractor = nlp.get_pipe(EXTRACTOR)
    del extractor.cfg["configured"]
    stored = extractor.to_bytes()
    other = load_model_from_config(
        nlp.config.merge({"components": {EXTRACTOR: {"threshold": 0.9}}})
    )
    with pytest.warns(UserWarning, match="threshold = 0.45 .in the config: 0.9."):
        other.get_pipe(EXTRACTOR).from_bytes(stored)
    assert in_force(other)["threshold"] == 0.45


def test_settings_that_are_left_out(folder: Path) -> None:
    nlp = spacy.load(folder)
    extractor = nlp.get_pipe(EXTRACTOR)
    extractor.cfg["threshold"] = 0.3
    extractor.from_disk(folder / EXTRACTOR, exclude=["cfg", "vocab"])
    extractor.from_bytes(extractor.to_bytes(), exclude=["cfg", "vocab"])
    assert in_force(nlp)["threshold"] == 0.3


def test_a_source_keeps_its_settings(folder: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    source = spacy.load(folder, config={f"{SECTION}.threshold": 0.8})
    for name in ("transformer", EXTRACTOR):
        nlp.add_pipe(name, source=source)
    nlp.to_disk(tmp_path)
    assert in_force(spacy.load(tmp_path)) == in_force(source)


@pytest.mark.parametrize("damaged", ["text", 3, ["a"], {"label_names": 3}, {}])
def test_a_damaged_note_of_the_config(folder: Path, tmp_path: Path, damaged: object) -> None:
    """It says nothing of what has been changed, and nothing fails."""
    spacy.load(folder).to_disk(tmp_path)
    file = tmp_path / EXTRACTOR / "cfg"
    file.write_text(json.dumps({**json.loads(file.read_text()), "configured": damaged}))
    assert in_force(spacy.load(tmp_path)) == in_force(spacy.load(folder))
