"""`python -m spacy docre compare`, from the config of a table to the table."""

import json
from pathlib import Path
from typing import Callable, List

import pytest
import spacy
from spacy.cli._util import app
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.data.corpus_files import write_docs
from spacy_docre.files import is_temporary
from tests.packages import missing
from tests.scripts import fork_commands

CONFIGS = Path(__file__).parent.parent.parent / "configs"
TABLE = """
[table]
title = "Two ways"
base = "configs/redocred_minilm.cfg"
seeds = 2
reference = "plain"

[table.columns]
rel_f = "F1"
parameters = "million weights"
minutes = "minutes"

[table.settings]
training.max_steps = 2
training.eval_frequency = 1
components.doc_relation_extractor.model.width = 32
components.doc_relation_extractor.model.block_size = 4
components.doc_relation_extractor.model.pair_width = 16

[table.stages]

[table.stages.train]

[table.stages.adapt]
taught = true

[table.stages.continue]

[table.rows]

[table.rows.student]
label = "Student"
stages = ["adapt","continue"]
teacher = "plain"
distillation = {"@misc": "spacy_docre.KLDistillation.v1", "weight": 1.0}

[table.rows.plain]
label = "Plain | simple"
stages = ["train"]
"""
STUDENT = TABLE[TABLE.index("[table.rows.student]") : TABLE.index("[table.rows.plain]")]


@pytest.fixture
def compare(
    encoder: Callable, make_examples: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs the command in a working directory with documents and the config of a table."""
    monkeypatch.chdir(tmp_path)
    fork_commands(monkeypatch)
    docs = [example.reference for example in make_examples(4)]
    write_docs({Path("corpus/train.spacy"): docs, Path("corpus/dev.spacy"): docs})
    (tmp_path / "configs").symlink_to(CONFIGS)
    Path("table.cfg").write_text(TABLE, encoding="utf8")

    def run(*options: object) -> Result:
        command = ["docre", "compare", "table.cfg", *map(str, options)]
        return CliRunner().invoke(app, [*command, "--paths.encoder", encoder("bert")])

    return run


def rows() -> List[List[str]]:
    lines = Path("metrics/table.csv").read_text("utf8").splitlines()
    return [line.split(",") for line in lines]


def test_what_reports_need_is_asked_for_before_a_training(compare: Callable[..., Result]) -> None:
    with missing("plotly"):
        result = compare("--seeds", 1)
    assert result.exit_code == 1 and "spacy-docre[report]" in " ".join(result.output.split())
    assert not Path("training").exists()


def test_a_table_from_its_config(compare: Callable[..., Result]) -> None:
    assert compare("--finished").exit_code == 1
    result = compare("--seeds", 1)
    assert result.exit_code == 0, result.output
    header, student, plain = rows()
    assert header[:5] == ["system", "seeds", "F1", "million weights", "minutes"]
    # In the table's order, though the teacher is trained before.
    assert (student[0], plain[0]) == ("Student", "Plain | simple")
    assert student[1] == plain[1] == "1" and student[-1] and not plain[-1]
    models = sorted(Path("training/table").glob("*/*/*/model-last"))
    assert len(models) == 3 and Path("training/table/plain/0/train/logits-adapt").is_dir()
    nlp = spacy.load("training/table/student/0/continue/model-last")
    assert nlp.config["paths"]["start"] == "training/table/student/0/adapt/model-last"
    assert "Plain \\| simple" in Path("metrics/table.md").read_text("utf8")
    assert "<h1>Two ways</h1>" in Path("metrics/table.html").read_text("utf8")

    # The minutes of a row are those of all its stages.
    for stage in ("adapt", "continue"):
        costs = Path("training/table/student/0") / stage / "costs.json"
        costs.write_text(json.dumps({**json.loads(costs.read_text()), "minutes": 10.0}))
    assert compare("--seeds", 1, "--finished").exit_code == 0 and rows()[1][4] == "20.0"

    # What is there stays. What is missing is made: an evaluation, and another seed.
    Path("training/table/plain/0/train/scores/metrics.json").unlink()
    before = {model: (model / "meta.json").stat().st_mtime_ns for model in models}
    Path("table.cfg").write_text(TABLE.replace(STUDENT, ""), encoding="utf8")
    assert compare().exit_code == 0
    assert {model: (model / "meta.json").stat().st_mtime_ns for model in models} == before
    _, plain = rows()
    weights = json.loads(Path("training/table/plain/1/train/costs.json").read_text())["parameters"]
    assert plain[1] == "2" and "±" in plain[2] and plain[3] == f"{weights / 1e6:.1f} ± 0.0"
    assert not [path for path in Path("metrics").iterdir() if is_temporary(path)]
    result = compare("--training.dropout", 0.3)
    assert result.exit_code == 1 and "another config" in " ".join(result.output.split())


def test_a_training_that_fails_ends_it(compare: Callable[..., Result]) -> None:
    """Those before it are kept, and shown where they are asked for."""
    broken = TABLE.replace('stages = ["adapt","continue"]', 'stages = ["adapt"]')
    settings = '[table.stages.adapt.settings]\npaths.dev = "none.spacy"'
    broken = broken.replace("taught = true", f"taught = true\n\n{settings}")
    Path("table.cfg").write_text(broken, encoding="utf8")
    result = compare("--seeds", 1)
    assert result.exit_code == 1
    assert "training/table/student/0/adapt failed" in " ".join(result.output.split())
    assert compare("--seeds", 1, "--finished").exit_code == 0
    assert [row[0] for row in rows()[1:]] == ["Plain | simple"]
