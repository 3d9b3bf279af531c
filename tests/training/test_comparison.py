"""The config of a table: which trainings it has, and what is wrong with one."""

from pathlib import Path
from typing import Callable, Dict, List

import pytest
from spacy.util import load_config

from spacy_docre.training.comparison import Run, plan, read_comparison

ROOT = Path(__file__).parent.parent.parent
EXTRACTOR = "doc_relation_extractor"
TABLE = """
[table]
title = "Students"
base = "configs/redocred_minilm.cfg"
seeds = 2

[table.settings]
training.max_steps = 7

[table.stages]

[table.stages.train]

[table.stages.adapt]
label = "adapted"
taught = true

[table.stages.adapt.settings]
paths.train = "corpus/distant"
training.max_steps = 3

[table.stages.continue]

[table.rows]

[table.rows.na]
label = "NA"
stages = ["adapt","continue"]

[table.rows.kl]
label = "KL"
stages = ["adapt","continue"]
teacher = "large"
distillation = {"@misc": "spacy_docre.KLDistillation.v1", "weight": 5.0}

[table.rows.large]
label = "Teacher"
overlays = ["configs/ablations/no_axial.cfg"]
stages = ["train"]

[table.rows.more]
label = "Teacher, more steps"
start = "large"
stages = ["continue"]
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes the config of a table where the configs of the project are."""
    monkeypatch.chdir(ROOT)

    def write_table(text: str) -> Path:
        path = tmp_path / "table.cfg"
        path.write_text(text, encoding="utf8")
        return path

    return write_table


def runs_of(path: Path, **settings: object) -> Dict[str, Run]:
    overrides = {name.replace("__", "."): value for name, value in settings.items()}
    runs = plan(read_comparison(path), Path("out"), overrides)
    return {f"{run.row} {run.stage} {run.seed}": run for run in runs}


def test_trainings_come_after_what_they_need(write: Callable[[str], Path]) -> None:
    runs = runs_of(write(TABLE))
    rows = ["large train", "more continue", "na adapt", "na continue", "kl adapt", "kl continue"]
    assert sorted(runs) == sorted(f"{row} {seed}" for row in rows for seed in range(2))
    order: List[Path] = []
    for run in runs.values():
        start = run.path("start")
        needed = [run.teacher, None if start is None else Path(start).parent]
        assert all(folder in order for folder in needed if folder is not None)
        order.append(run.folder)
    assert len(set(order)) == len(order) == 12


def test_what_each_training_is(write: Callable[[str], Path]) -> None:
    base = load_config(ROOT / "configs" / "redocred_minilm.cfg")
    runs = runs_of(write(TABLE), training__dropout=0.3)
    for name, run in runs.items():
        row, stage, seed = name.split()
        config = run.config.interpolate()
        extractor = config["components"][EXTRACTOR]
        assert config["system"]["seed"] == int(seed)
        assert config["training"]["max_steps"] == (3 if stage == "adapt" else 7)
        assert config["training"]["dropout"] == 0.3
        assert (extractor["model"]["pair_encoder"] is None) == (row == "large")
        assert run.path("train") == ("corpus/distant" if stage == "adapt" else "corpus/train.spacy")
        if (row, stage) == ("kl", "adapt"):
            assert run.teacher == Path(f"out/large/{seed}/train")
            assert run.path("teacher_logits") == str(run.teacher / "logits-adapt")
            assert extractor["distillation"]["weight"] == 5.0
        else:
            assert run.teacher is run.path("teacher_logits") is None
            assert extractor["distillation"] == base["components"][EXTRACTOR]["distillation"]
        starts = {"more": f"large/{seed}/train"}
        before = f"out/{starts.get(row, f'{row}/{seed}/adapt')}/model-last"
        assert run.path("start") == (before if stage == "continue" else None)


@pytest.mark.parametrize(
    "old, new, message",
    [
        (
            'stages = ["train"]',
            'stages = ["trian"]',
            "'large' has an unknown stage 'trian'.* train, adapt",
        ),
        ('stages = ["train"]', "stages = []", "rows.large.stages"),
        (
            'teacher = "large"',
            'teacher = "small"',
            "no row 'small': the rows are na, kl, large, more",
        ),
        ('teacher = "large"', "", "'kl' has only one of 'teacher' and 'distillation'"),
        ("taught = true", "taught = false", "'kl' has a teacher, but none of its stages learns"),
        ('label = "NA"', 'lable = "NA"', "rows.na.lable"),
        ("seeds = 2", "seeds = 0", "seeds: .*greater than 0"),
        ("no_axial.cfg", "no_axis.cfg", "'large' needs configs/ablations/no_axis.cfg"),
        ("seeds = 2", 'seeds = 2\nreference = "best"', "no row 'best'"),
        (
            'label = "Teacher"',
            'label = "T"\nteacher = "kl"\ndistillation = {}',
            "start of another row, so it cannot",
        ),
        ('start = "large"', 'start = "small"', "no row 'small'"),
        ('start = "large"', 'start = "na"\nteacher = "large"', "'more' has only one of"),
        ('label = "NA"', 'label = "NA"\nstart = "more"', "'more' is the teacher or start of"),
        ("[table]", "[tables]", "title: .*required"),
    ],
)
def test_what_is_wrong_is_named(
    write: Callable[[str], Path], old: str, new: str, message: str
) -> None:
    text = TABLE.replace("[table.", "[tables.") if new == "[tables]" else TABLE
    assert old in text
    with pytest.raises(ValueError, match=message):
        read_comparison(write(text.replace(old, new)))


@pytest.mark.parametrize("path, row, stage", [("dev", "large", "train"), ("train", "kl", "adapt")])
def test_documents_that_are_not_named(
    write: Callable[[str], Path], path: str, row: str, stage: str
) -> None:
    """It is told before the first training. Only a teacher needs paths.train itself: a corpus may
    have other paths."""
    text = TABLE.replace('paths.train = "corpus/distant"\n', "")
    settings = f"[table.settings]\npaths.{path} = null\n"
    comparison = read_comparison(write(text.replace("[table.settings]\n", settings)))
    with pytest.raises(ValueError, match=f"'{row}' has no documents in.*'{stage}': paths.{path}"):
        list(plan(comparison, Path("out"), {}))
    assert list(plan(comparison, Path("out"), {f"paths.{path}": "docs.spacy"}))


@pytest.mark.parametrize("path", sorted((ROOT / "configs/tables").glob("*.cfg")), ids=str)
def test_tables_of_the_project(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert list(plan(read_comparison(path), Path("out"), {}))
