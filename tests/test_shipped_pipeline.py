"""The pipeline in assets/."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import List, Set, Tuple

import pytest
import spacy
import torch
from spacy.cli._util import app
from spacy.language import Language
from spacy.tokens import Doc
from typer.testing import CliRunner

import spacy_docre.cli  # noqa: F401
from spacy_docre.annotate.outputs import OUTPUTS
from tests.pinned import ASSETS, PINNED, PIPELINE, find_triples, load_in_float32


@pytest.fixture(scope="module")
def nlp() -> Language:
    """The pipeline, which is loaded without a pickle."""

    def refuse(*arguments, **settings):
        raise AssertionError("a pickle is loaded")

    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (pickle, "load"),
            (pickle, "loads"),
            (pickle, "Unpickler"),
            (torch, "load"),
        ):
            patch.setattr(module, name, refuse)
        return spacy.load(PIPELINE)


def triples(nlp: Language, name: str) -> Set[Tuple[str, str, str]]:
    doc = nlp((ASSETS / "samples" / f"{name}.txt").read_text(encoding="utf8"))
    return {(r.head.text, r.name, r.tail.text) for r in doc._.relations}


def test_triples_and_scores_are_the_pinned_ones() -> None:
    pinned = json.loads(PINNED.read_text(encoding="utf8"))
    found = find_triples(load_in_float32())
    assert sum(map(len, pinned.values())) > 390
    for name, triples in pinned.items():
        assert [triple[:-1] for triple in found[name]] == [triple[:-1] for triple in triples]
        scores = [triple[-1] for triple in triples]
        assert [triple[-1] for triple in found[name]] == pytest.approx(scores, abs=1e-5)


def test_size_and_meta(nlp: Language) -> None:
    files = [file for file in PIPELINE.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 60e6
    for setting in ("name", "version", "description", "author", "license", "sources", "notes"):
        assert nlp.meta[setting], setting
    assert nlp.meta["performance"]["gold_entities_rel_f"] > 0.5
    # Nothing of the machine it was trained on.
    assert not any(str(path).startswith("/") for path in nlp.config["paths"].values())


def test_the_model_card_has_the_figures(nlp: Language) -> None:
    card = Path("configs/en_docre_wiki_sm.md")
    text = (ASSETS.parent / card).read_text(encoding="utf8")
    assert nlp.meta["notes"] == text
    for entities in ("gold_entities", "gold_mentions", "text"):
        assert f"F1 is {100 * nlp.meta['performance'][f'{entities}_rel_f']:.1f}." in text


def run(*arguments: object, path: str = "") -> str:
    """What a Python of its own prints; modules are looked for in `path`, too."""
    found = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, path])},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_the_wheel_is_found_by_its_name(tmp_path: Path) -> None:
    """And needs this version of the library. No warning is given."""
    run("-m", "spacy", "package", PIPELINE, tmp_path, "--build", "wheel")
    (wheel,) = tmp_path.glob("*/dist/*.whl")
    assert wheel.name == "en_docre_wiki_sm-0.2.0-py3-none-any.whl"
    installed = tmp_path / "installed"
    run("-m", "pip", "install", "--quiet", "--no-deps", "--target", installed, wheel)
    (metadata,) = installed.glob("*.dist-info/METADATA")
    assert "Requires-Dist: spacy-docre<0.3.0,>=0.2.0" in metadata.read_text(encoding="utf8")
    (card,) = installed.glob("en_docre_wiki_sm/*/README.md")
    assert "### Examples of errors" in card.read_text(encoding="utf8")
    code = (
        "import spacy;"
        "nlp = spacy.load('en_docre_wiki_sm');"
        "print(nlp.path, *nlp('Marie Curie was born in Warsaw.')._.relations)"
    )
    found = run("-W", "error::UserWarning", "-c", code, path=str(installed))
    assert found.startswith(str(installed)) and "place of birth" in found


def test_what_is_stored_again_is_the_same(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    for name in ("transformer", "ner", "doc_relation_extractor"):
        stored, again = (folder / name / "model" for folder in (PIPELINE, tmp_path))
        # Not compared in the assertion: pytest would look for the difference for hours.
        is_same = again.read_bytes() == stored.read_bytes()
        assert is_same, name


def test_weights_are_float32_in_memory(nlp: Language) -> None:
    found = set()
    for name, component in nlp.pipeline:
        for node in component.model.walk() if hasattr(component, "model") else ():
            for shim in node.shims:
                module = shim._model
                if isinstance(module, torch.nn.Module):
                    found.add(name)
                    assert {weight.dtype for weight in module.parameters()} == {torch.float32}
    assert found >= {"transformer", "doc_relation_extractor"}


@pytest.mark.parametrize(
    "name, triple",
    [
        ("biography", ("Lise Meitner", "place of birth", "Vienna")),
        ("company", ("Billund", "country", "Denmark")),
        ("news", ("António Costa", "country of citizenship", "Portugal")),
        ("place", ("Puno", "capital of", "Puno Region")),
        (
            "science",
            ("Lowell Observatory", "located in the administrative territorial entity", "Arizona"),
        ),
    ],
)
def test_texts_to_triples(nlp: Language, name: str, triple: Tuple[str, str, str]) -> None:
    assert triple in triples(nlp, name)


def test_entities_and_evidence(nlp: Language) -> None:
    doc = nlp((ASSETS / "samples" / "biography.txt").read_text(encoding="utf8"))
    (meitner,) = [entity for entity in doc._.entities if entity.text == "Lise Meitner"]
    assert [mention.text for mention in meitner.mentions] == ["Lise Meitner", "Meitner"]
    assert meitner.label_ == "PER"
    sentences = {(sentence.start, sentence.end) for sentence in doc.sents}
    assert len(sentences) >= 6
    assert doc._.relations
    for relation in doc._.relations:
        assert relation.evidence
        assert {(span.start, span.end) for span in relation.evidence} <= sentences


@pytest.mark.parametrize("text", ["", " \n ", "Yes.", "Oslo.", "It rained " * 1500])
def test_odd_texts(nlp: Language, text: str) -> None:
    assert nlp(text)._.relations == []


def test_batches_change_nothing(nlp: Language) -> None:
    """To the last digit, in whatever precision this processor has."""
    texts = [file.read_text(encoding="utf8") for file in sorted((ASSETS / "samples").iterdir())]

    def found(doc):
        return [(r.head.text, r.label_, r.tail.text, r.score) for r in doc._.relations]

    expected = [found(nlp(text)) for text in texts]
    assert len(expected) == 5 and all(expected)
    assert [found(doc) for doc in nlp.pipe(texts)] == expected


def texts_of_all_kinds() -> List[str]:
    texts = [file.read_text(encoding="utf8") for file in sorted((ASSETS / "samples").iterdir())]
    documents = json.loads((ASSETS / "quickstart" / "dev.json").read_text(encoding="utf8"))
    texts += [" ".join(word for words in doc["sents"] for word in words) for doc in documents]
    return [" ".join(text.split()) for text in texts]


@pytest.fixture(scope="module")
def clean_triples(nlp: Language) -> List[Set[Tuple[str, str, str, float]]]:
    found = [scored_triples(doc) for doc in nlp.pipe(texts_of_all_kinds())]
    assert sum(map(len, found)) > 100
    return found


def scored_triples(doc: Doc) -> Set[Tuple[str, str, str, float]]:
    return {(r.head.text, r.label_, r.tail.text, round(r.score, 2)) for r in doc._.relations}


@pytest.mark.parametrize(
    "white_space", ["  ", "\n", "\r\n", "\t", "\xa0", " \n   "], ids=lambda text: repr(text)
)
def test_white_space_changes_nothing(
    nlp: Language, clean_triples: List[Set[Tuple[str, str, str, float]]], white_space: str
) -> None:
    """Between all words: more than a text has where its lines are wrapped."""
    texts = [white_space.join(text.split()) for text in texts_of_all_kinds()]
    assert [scored_triples(doc) for doc in nlp.pipe(texts)] == clean_triples


def test_all_outputs(tmp_path: Path) -> None:
    outputs = [tmp_path / f"out{suffix}" for suffix in OUTPUTS]
    named = [word for output in outputs for word in ("--output", str(output))]
    arguments = ["docre", "annotate", str(PIPELINE), str(ASSETS / "samples"), *named, "--table"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert all(output.stat().st_size > 0 for output in outputs)
    assert "Lise Meitner" in result.output
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf8").splitlines()
    assert len([json.loads(line) for line in lines]) == 5
