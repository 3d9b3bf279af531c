import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import numpy
import pytest
from spacy.language import Language
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config, load_model
from thinc.api import Config

from spacy_docre import folders
from spacy_docre.data.corpus_files import write_docs
from spacy_docre.files import file_stamps
from spacy_docre.training import checkpoint, loop
from spacy_docre.training.checkpoint import save_checkpoint
from spacy_docre.training.loop import train

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.cfg"


class Killed(BaseException):
    """As by a signal: nothing catches it."""


PIPES = ["transformer", "doc_relation_extractor"]


@pytest.fixture(params=[PIPES], ids=" ".join)
def config(
    make_pipeline: Callable,
    make_examples: Callable,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Config:
    """Twelve documents in six epochs of four steps, with dropout and a schedule."""
    for name, seed in (("train", 0), ("dev", 1)):
        docs = [example.reference for example in make_examples(12, seed=seed)]
        write_docs({tmp_path / f"{name}.spacy": docs})
    pipeline = make_pipeline(request.param)
    overrides = {
        "paths.train": str(tmp_path / "train.spacy"),
        "paths.dev": str(tmp_path / "dev.spacy"),
        "training.max_steps": 22,
        "training.eval_frequency": 5,
        "training.patience": 0,
        "training.dropout": 0.2,
        "training.batcher": {"@batchers": "spacy.batch_by_sequence.v1", "size": 3},
        "training.score_weights": {"rel_f": 1.0},
        "training.optimizer": {
            "@optimizers": "spacy_docre.AdamW.v1",
            "learn_rate": {
                "@schedules": "warmup_linear.v1",
                "initial_rate": 0.001,
                "warmup_steps": 4,
                "total_steps": 23,
            },
        },
    }
    config = load_config(CONFIG, overrides=overrides)
    config["nlp"]["pipeline"] = request.param
    config["components"] = pipeline.config["components"]
    # What loading a stored pipeline would not keep: the kernel, in which bfloat16 rounds
    # otherwise, and the precision of weights.
    for name in ("transformer", "doc_relation_extractor"):
        model = config["components"][name]["model"]
        model.update(precision="bfloat16", stored_precision="float16")
    config["components"]["transformer"]["model"]["transformer_config"] = {
        "hidden_dropout_prob": 0.1,
        "attn_implementation": "eager",
    }
    return config


def weights(nlp: Language) -> Dict[str, numpy.ndarray]:
    found = {}
    for pipe, component in nlp.pipeline:
        for index, node in enumerate(component.model.walk()):
            for shim in node.shims:
                for name, value in shim._model.state_dict().items():
                    found[f"{pipe}.{name}"] = value.detach().numpy().copy()
            for name in node.param_names:
                if node.has_param(name):
                    found[f"{pipe}.{index}.{name}"] = node.get_param(name).copy()
    return found


def run(config: Config, output: Path) -> Language:
    nlp = init_nlp(config)
    train(nlp, output)
    return nlp


def batches_of(monkeypatch: pytest.MonkeyPatch) -> List[List[int]]:
    """Notes what the pipeline learns from."""
    seen: List[List[int]] = []
    update = Language.update

    def note(self: Language, examples: List[Example], **settings: Any) -> Dict[str, float]:
        seen.append([hash(example.text) for example in examples])
        return update(self, examples, **settings)

    monkeypatch.setattr(Language, "update", note)
    return seen


@pytest.mark.parametrize(
    "config, stop",
    [(PIPES, 3), (PIPES, 6), (["transformer", "ner", "doc_relation_extractor"], 13), (PIPES, 19)],
    indirect=["config"],
)
def test_goes_on_as_if_it_had_not_stopped(
    stop: int, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = batches_of(monkeypatch)
    whole = weights(run(config, tmp_path / "whole"))
    expected, seen[:] = list(seen), []

    with killed_at(stop, monkeypatch):
        run(config, tmp_path / "parts")
    assert not checkpoint.has_finished(tmp_path / "parts")
    done = stop if stop < 5 else stop - stop % 5 + 1
    first, seen[:] = list(seen), []
    assert first == expected[:stop]
    resumed = weights(run(config, tmp_path / "parts"))
    # What is learnt from a second time is no more than what follows the last checkpoint.
    assert seen == expected[1 if stop < 5 else done :]
    assert whole.keys() == resumed.keys()
    for key, values in whole.items():
        numpy.testing.assert_allclose(resumed[key], values, rtol=1e-5, atol=1e-6, err_msg=key)
    for name in ("model-best", "model-last"):
        performance = [
            load_model(tmp_path / folder / name).meta["performance"]["rel_f"]
            for folder in ("whole", "parts")
        ]
        assert performance[0] == pytest.approx(performance[1], abs=1e-3)
    assert not list((tmp_path / "parts").glob("checkpoint*"))
    assert checkpoint.has_finished(tmp_path / "parts")
    assert not checkpoint.has_finished(tmp_path / "none")


def test_streamed_documents_come_in_the_same_order(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config["training"]["max_epochs"] = -1
    config["corpora"]["train"]["shuffle"] = True
    seen = batches_of(monkeypatch)
    whole = weights(run(config, tmp_path / "whole"))
    expected, seen[:] = list(seen), []
    with killed_at(13, monkeypatch):
        run(config, tmp_path / "parts")
    assert seen == expected[:13] and seen[:4] != seen[4:8]
    seen.clear()
    resumed = weights(run(config, tmp_path / "parts"))
    assert seen == expected[11:]
    for key, values in whole.items():
        numpy.testing.assert_allclose(resumed[key], values, rtol=1e-5, atol=1e-6, err_msg=key)


def test_same_as_spacy_train(config: Config, tmp_path: Path) -> None:
    from spacy.training.loop import train as spacy_train

    ours = weights(run(config, tmp_path / "ours"))
    nlp = init_nlp(config)
    (tmp_path / "theirs").mkdir()
    spacy_train(nlp, tmp_path / "theirs")
    for key, values in weights(nlp).items():
        numpy.testing.assert_allclose(ours[key], values, rtol=1e-5, atol=1e-6, err_msg=key)
    for name in ("model-best", "model-last"):
        numpy.testing.assert_equal(
            load_model(tmp_path / "ours" / name).meta["performance"]["rel_f"],
            load_model(tmp_path / "theirs" / name).meta["performance"]["rel_f"],
        )


def test_checkpoint_that_was_not_finished(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it was written: the one before is still there."""
    calls: Iterator[int] = iter(range(9))

    def save(*args: Any) -> None:
        if next(calls) == 2:
            (tmp_path / "output" / "checkpoint-00000010.tmp").mkdir()
            raise Killed
        save_checkpoint(*args)

    with monkeypatch.context() as context:
        context.setattr(loop, "save_checkpoint", save)
        with pytest.raises(Killed):
            run(config, tmp_path / "output")
    seen = batches_of(monkeypatch)
    run(config, tmp_path / "output")
    assert len(seen) == 23 - 6
    assert not [path for path in (tmp_path / "output").iterdir() if "model" not in path.name]


@contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is trained within is killed before a step."""

    def kill(nlp: Language, info: Dict[str, int]) -> None:
        if info["step"] == step:
            raise Killed

    resolve = loop.registry.resolve

    def resolve_and_kill(*args: Any, **settings: Any) -> Dict[str, Any]:
        return {**resolve(*args, **settings), "before_update": kill}

    with monkeypatch.context() as context:
        context.setattr(loop.registry, "resolve", resolve_and_kill)
        with pytest.raises(Killed):
            yield


def test_another_training(
    config: Config, make_examples: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed_at(8, monkeypatch):
        run(config, tmp_path / "output")
    dropout, config["training"]["dropout"] = config["training"]["dropout"], 0.3
    with pytest.raises(ValueError, match="unfinished training with another config.*--force"):
        run(config, tmp_path / "output")
    config["training"]["dropout"] = dropout
    docs = [example.reference for example in make_examples(12, seed=2)]
    write_docs({tmp_path / "train.spacy": docs})
    with pytest.raises(ValueError, match="other data: paths.train changed since.*--force"):
        run(config, tmp_path / "output")
    seen = batches_of(monkeypatch)
    train(init_nlp(config), tmp_path / "output", force=True)
    assert len(seen) == 23
    assert not list((tmp_path / "output").glob("checkpoint*"))


def test_a_checkpoint_older_than_a_setting(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of 0.1, whose configs know nothing of the network's slots."""
    whole = run(config, tmp_path / "whole")
    with killed_at(8, monkeypatch):
        run(config, tmp_path / "output")
    (file,) = (tmp_path / "output").glob("checkpoint-*/state.json")
    state = json.loads(file.read_text(encoding="utf8"))
    stored = Config().from_str(state["config"], interpolate=False)
    model = stored["components"]["doc_relation_extractor"]["model"]
    for slot in ("entity_pooling", "context_pooling", "pair_features", "classifier"):
        del model[slot]
    del model["pair_encoder"]["form"]
    file.write_text(json.dumps({**state, "config": stored.to_str()}), encoding="utf8")
    resumed = run(config, tmp_path / "output")
    for name, expected in weights(whole).items():
        numpy.testing.assert_allclose(weights(resumed)[name], expected, rtol=1e-5, atol=1e-6)


def test_nothing_would_be_evaluated(config: Config, tmp_path: Path) -> None:
    config["training"]["eval_frequency"] = 23
    with pytest.raises(ValueError, match="eval_frequency = 23 is more than max_steps = 22"):
        run(config, tmp_path / "output")


def test_killed_while_the_checkpoint_is_deleted(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config["training"]["max_steps"] = 5
    remove = shutil.rmtree

    def half(folder: Any, *args: Any, **settings: Any) -> None:
        path = Path(folder)
        if "00000005" in path.name and (path / "state.json").exists():
            (path / "state.json").unlink()
            raise Killed
        remove(path, *args, **settings)

    with monkeypatch.context() as context:
        context.setattr(checkpoint.shutil, "rmtree", half)
        with pytest.raises(Killed):
            run(config, tmp_path / "output")
    # It had been trained to its end.
    with pytest.raises(ValueError, match="holds a trained pipeline"):
        run(config, tmp_path / "output")
    assert load_model(tmp_path / "output" / "model-last").pipe_names == PIPES


def test_a_pipeline_that_has_been_trained(config: Config, tmp_path: Path) -> None:
    config["training"]["max_steps"] = 5
    output = tmp_path / "output"
    run(config, output)
    assert {path.name for path in output.iterdir()} == {"model-best", "model-last"}
    stamps = file_stamps(output)
    assert stamps
    for present in ("model-best and model-last", "model-last"):
        with pytest.raises(ValueError, match=f"trained pipeline, {present}. Train .*--force"):
            run(config, output)
        assert file_stamps(output) == stamps
        shutil.rmtree(output / "model-best", ignore_errors=True)
        stamps = file_stamps(output)
    train(init_nlp(config), output, force=True)
    assert {path.name for path in output.iterdir()} == {"model-best", "model-last"}
    assert file_stamps(output) != stamps


@pytest.mark.parametrize("name", ["model-last", "model-best"])
def test_killed_before_the_first_checkpoint(
    name: str, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be begun again, and leaves no pipeline that is half written."""
    config["training"]["max_steps"] = 5
    put = folders.put_in_place

    def kill(new: Path, folder: Path, stale: str) -> None:
        if folder.name == name:
            raise Killed
        put(new, folder, stale)

    with monkeypatch.context() as context:
        context.setattr(folders, "put_in_place", kill)
        with pytest.raises(Killed):
            run(config, tmp_path / "output")
    assert not (tmp_path / "output" / name).exists()
    run(config, tmp_path / "output")
    assert load_model(tmp_path / "output" / name).pipe_names == PIPES


def test_killed_while_the_best_is_replaced(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.1, 0.2])
    copies = iter(range(9))
    copy = shutil.copytree

    def copy_half(source: Any, goal: Any, *args: Any, **settings: Any) -> None:
        # Not those of the folders within.
        if Path(source).name == "model-last" and next(copies) == 1:
            Path(goal, "half").touch()
            raise Killed
        copy(source, goal, *args, **settings)

    with monkeypatch.context() as context:
        context.setattr(loop.shutil, "copytree", copy_half)
        context.setattr(
            loop,
            "create_evaluation_callback",
            lambda *args: lambda: (lambda score: (score, {"rel_f": score}))(next(scores)),
        )
        with pytest.raises(Killed):
            run(config, tmp_path / "output")
    best = load_model(tmp_path / "output" / "model-best")
    assert best.meta["performance"]["rel_f"] == 0.1


def test_scores_of_a_checkpoint_are_exact(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = init_nlp(config)
    optimizer = loop.registry.resolve(nlp.config["training"])["optimizer"]
    scores = loop.EvaluatedStep(0, 0.1234567890123, {"rel_f": float("nan")})
    save_checkpoint(tmp_path, nlp, optimizer, [scores], {}, [])
    found = checkpoint.read_checkpoint(tmp_path)
    assert found is not None and found.evaluations[0].score == scores.score
    assert numpy.isnan(found.evaluations[0].other_scores["rel_f"])


def test_other_optimizer(config: Config, tmp_path: Path) -> None:
    config["training"]["optimizer"] = {"@optimizers": "Adam.v1", "learn_rate": 0.001}
    with pytest.raises(ValueError, match="spacy_docre.AdamW.v1"):
        run(config, tmp_path / "output")
