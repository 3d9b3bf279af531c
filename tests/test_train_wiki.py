"""The script that trains en_docre_wiki: its four stages, on a tiny encoder; and what is
shipped of it."""

import random
from pathlib import Path
from typing import Callable, List

import pytest
import spacy
from spacy.util import load_config
from spacy.vocab import Vocab

from spacy_docre.annotations import mark_partial
from spacy_docre.data.corpus_files import read_spacy_docs, write_docs
from spacy_docre.data.docred import read_docred
from spacy_docre.data.name_lists import make_lists
from spacy_docre.data.shapes import choose_cuts, choose_joins
from spacy_docre.distillation.storing import store_logits
from spacy_docre.entity_sources import copy_words, gold_entities, set_entity_spans
from tests.scripts import fork_commands, run_script
from tests.teachers import RandomTeacher

ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "configs" / "en_docre_wiki_sm.cfg"
SIZES = {"width": 32, "block_size": 4, "pair_width": 32}


@pytest.fixture
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with all that the script reads."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    docs = list(read_docred(ROOT / "assets" / "quickstart" / "train.json", Vocab()))
    complete, partial, dev = docs[:5], docs[5:8], docs[8:10]
    labels = sorted({relation.label_ for doc in complete for relation in doc._.relations})
    for doc in docs:
        doc._.relations = [each.triple for each in doc._.relations if each.label_ in labels]
    unlabelled = []
    for doc in docs[10:12]:
        unlabelled.append(copy_words(doc))
        set_entity_spans(unlabelled[-1], gold_entities(doc))
    for doc in partial:
        mark_partial(doc)
    choice = random.Random(0)
    parts = {
        "complete/train": complete,
        "partial": partial,
        "unlabelled": unlabelled,
        "cuts": [cut for doc in complete for cut in choose_cuts(doc, 1, choice)],
        "joins": list(choose_joins(complete, 1, choice)),
        "lists": list(make_lists(complete, 5, choice)),
        "dev": dev,
    }
    for name, docs in parts.items():
        for number, doc in enumerate(docs):
            doc.user_data["title"] = f"{name} {number}"
    folder = tmp_path / "corpus" / "wiki"
    (folder / "complete").mkdir(parents=True)
    write_docs({folder / f"{name}.spacy": docs for name, docs in parts.items()})
    taught = [
        doc for name in ("complete/train", "partial", "unlabelled", "cuts") for doc in parts[name]
    ]
    list(
        store_logits(
            RandomTeacher(labels, evidence=True),
            taught,
            tmp_path / "training/wiki-logits",
            checksum="1",
        )
    )
    return tmp_path


def test_stages(
    corpora: Path, encoder: Callable, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    """Each begins with what the one before it has learnt, and what is finished stays."""
    fork_commands(monkeypatch)
    settings: List[object] = ["sm", "--paths.encoder", encoder("bert")]
    for name, value in SIZES.items():
        settings += [f"--components.doc_relation_extractor.model.{name}", value]
    settings += ["--training.max_steps", 2, "--training.eval_frequency", 1]
    assert run_script(monkeypatch, "train_wiki.py", settings) == 0
    folder = corpora / "training" / "wiki" / "sm"
    stages = ("extractor", "gold", "found", "names")
    pipelines = [spacy.load(folder / stage / "model-last") for stage in stages]
    assert pipelines[0].pipe_names == ["transformer", "doc_relation_extractor"]
    for nlp, before in zip(pipelines[1:], stages, strict=False):
        assert nlp.pipe_names[-1] == "doc_relation_extractor" and "ner" in nlp.pipe_names
        assert nlp.config["paths"]["start"] == str(Path("training/wiki/sm") / before / "model-last")
    assert pipelines[2].config["paths"]["finder"] == pipelines[2].config["paths"]["start"]
    doc = pipelines[2].make_doc("Marie Curie was born in Warsaw.")
    vectors, frozen = (nlp.get_pipe("transformer")(doc.copy())._.trf_data for nlp in pipelines[2:])
    assert (vectors.tensors[0] == frozen.tensors[0]).all()
    ner = [nlp.get_pipe("ner").model.to_bytes() for nlp in pipelines[2:]]
    assert ner[0] != ner[1]
    assert pipelines[1].config["paths"]["finder"] is None
    capfd.readouterr()
    assert run_script(monkeypatch, "train_wiki.py", settings) == 0
    assert capfd.readouterr().out.count("is finished") == 4
    assert run_script(monkeypatch, "train_wiki.py", [*settings, "--system.seed", 1]) == 1
    told = capfd.readouterr().out
    assert "was trained with other settings" in told and "is finished" not in told
    cuts = Path("corpus/wiki/cuts.spacy")
    content = cuts.read_bytes()
    write_docs({cuts: list(read_spacy_docs(cuts, Vocab()))[1:]})
    assert run_script(monkeypatch, "train_wiki.py", settings) == 1
    assert "from other documents" in " ".join(capfd.readouterr().out.split())
    cuts.write_bytes(content)
    shipped = ship(folder / "names" / "model-last", monkeypatch)
    for path in (corpora, encoder("bert"), folder.relative_to(corpora)):
        assert str(path) not in (shipped / "config.cfg").read_text(encoding="utf8")
    for part in ("paths", "corpora", "training", "initialize"):
        assert spacy.load(shipped).config[part] == load_config(RECIPE)[part]
    nlp = spacy.load(shipped)
    assert nlp.meta["performance"] == {"rel_f": 0.5}
    doc = pipelines[-1].make_doc("Marta Ilvane taught a valley.")
    assert "Ilvane" in pipelines[-1].vocab.strings and "Ilvane" not in nlp.vocab.strings
    answers = [[str(span) for span in each(doc.text).ents] for each in (pipelines[-1], nlp)]
    assert answers[0] == answers[1]
    shipped = ship(folder / "names" / "model-last", monkeypatch, "--encoder", "other/encoder")
    paths = load_config(shipped / "config.cfg")["paths"]
    assert paths == {**load_config(RECIPE)["paths"], "encoder": "other/encoder"}


def ship(model: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> Path:
    """As the workflow does, into the working directory."""
    Path("scores.json").write_text('{"rel_f": 0.5}', encoding="utf8")
    settings = [model, RECIPE, RECIPE.with_suffix(".json"), "scores.json", "shipped", *more]
    assert run_script(monkeypatch, "ship_pipeline.py", settings) == 0
    return Path("shipped")


def test_sizes_that_there_are_not(monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    assert run_script(monkeypatch, "train_wiki.py", ["xl"]) == 1
    assert "Choose one of sm, md" in " ".join(capfd.readouterr().out.split())


@pytest.mark.parametrize("name", ["nlp.pipeline", "training.frozen_components", "paths.start"])
def test_what_is_a_stages_own(monkeypatch: pytest.MonkeyPatch, capfd, name: str) -> None:
    assert run_script(monkeypatch, "train_wiki.py", ["sm", f"--{name}", "[]"]) == 1
    assert "Each stage has its own" in " ".join(capfd.readouterr().out.split())
