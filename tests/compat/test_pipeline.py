"""Pipelines of the released code's checkpoints give its logits."""

import json
import pickle
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import spacy
import torch
from spacy.cli._util import app
from spacy.language import Language
from spacy.tokens import Doc
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.compat.pipeline import make_released_pipeline
from spacy_docre.entity_sources import EntityDoc, gold_entities
from spacy_docre.pairs import Pairs
from tests.compat.released import logits, random_state

LABELS = ["P1", "P2", "P3"]
WORDS = (
    "Ada Lane was born in Oslo . Later Ada worked for Acme Works of Oslo , as everyone knew . "
    "It was a long winter in New Haven ."
).split()
# Oslo stands alone, and at the end of a longer mention; Acme begins two mentions.
ENTITIES = [
    [(0, 2), (8, 9)],
    [(5, 6), (14, 15)],
    [(11, 13), (11, 15)],
    [(24, 26)],
]


def released_logits(nlp: Language, docs: List[Doc]) -> List[torch.Tensor]:
    """The pipeline's logits, a row for each pair of different entities."""
    transformer, extractor = (component for _, component in nlp.pipeline)
    documents = [EntityDoc(doc, gold_entities(doc)) for doc in transformer.pipe(docs)]
    return [torch.as_tensor(scores.logits) for scores in extractor.score_entities(documents)]


def off_diagonal(table: torch.Tensor) -> torch.Tensor:
    return table[~torch.eye(len(table), dtype=torch.bool)]


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Any], Path]:
    def save(state: Any) -> Path:
        torch.save(state, tmp_path / "state.pt")
        return tmp_path / "state.pt"

    return save


@pytest.mark.parametrize("kind", ["kd", "atlop"])
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_logits_are_those_of_the_original(
    encoder: Callable, make_doc: Callable, save: Callable, kind: str, family: str
) -> None:
    state = random_state(encoder(family), 4, kind=kind)
    nlp = make_released_pipeline(save(state), encoder(family), LABELS)
    others = make_doc(WORDS[:16], [ENTITIES[1], ENTITIES[0][:1]])
    # Alone or in a batch.
    found, other = released_logits(nlp, [make_doc(WORDS, ENTITIES, sentences=[0, 7, 18]), others])
    expected = off_diagonal(logits(state, encoder(family), WORDS, ENTITIES))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert expected.std() > 0.1
    expected = off_diagonal(
        logits(state, encoder(family), WORDS[:16], [ENTITIES[1], ENTITIES[0][:1]])
    )
    torch.testing.assert_close(other, expected, atol=1e-4, rtol=0)


def test_more_entities_than_the_padding_has(
    encoder: Callable, make_doc: Callable, save: Callable
) -> None:
    words = ["Ada"] * 44
    entities = [[(index, index + 1)] for index in range(44)]
    # With markers they have 132 word pieces, and 128 are the most.
    state = random_state(encoder("bert"), 4, kind="kd", depth=1)
    nlp = make_released_pipeline(save(state), encoder("bert"), LABELS)
    (found,) = released_logits(nlp, [make_doc(words, entities)])
    assert found.shape == (44 * 43, 4) and found.isfinite().all()


def test_padding_moves_logits(encoder: Callable, make_doc: Callable, save: Callable) -> None:
    path = save(random_state(encoder("bert"), 4, kind="kd"))
    found = [
        released_logits(
            make_released_pipeline(path, encoder("bert"), LABELS, padded=padded),
            [make_doc(WORDS, ENTITIES)],
        )[0]
        for padded in (True, False)
    ]
    assert (found[0] - found[1]).abs().max() > 0.01


def test_padding_is_masked_in_training(encoder: Callable, save: Callable) -> None:
    """A network makes zeros of zeros where its maps have no bias: there is nothing to mask."""
    state = random_state(encoder("bert"), 4, kind="kd")
    nlp = make_released_pipeline(save(state), encoder("bert"), LABELS)
    extractor = nlp.get_pipe("doc_relation_extractor")
    network = extractor.model.get_ref("pair_scorer").shims[0]._model
    pairs = Pairs.of([3, 2], diagonal=True)
    table = torch.randn(len(pairs.heads), state["classifier.weight"].shape[1])
    with torch.no_grad():
        trained, predicted = (
            network.train(mode).encode_pairs(table, pairs) for mode in (True, False)
        )
        network.head_entity.bias.zero_()
        network.tail_entity.bias.zero_()
        without_bias = network.encode_pairs(table, pairs)
    assert (trained - predicted).abs().max() > 0.01
    torch.testing.assert_close(trained, without_bias)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", "import-checkpoint", *map(str, arguments)])


@pytest.fixture
def arguments(encoder: Callable, save: Callable, tmp_path: Path) -> List[object]:
    """Of a command that succeeds; the state dict is that of a model that was trained on several
    devices, in half precision."""
    state = random_state(encoder("bert"), 4, kind="kd")
    halved = {f"module.{name}": value.half() for name, value in state.items()}
    (tmp_path / "rel2id.json").write_text(json.dumps({"P2": 2, "Na": 0, "P3": 3, "P1": 1}))
    (tmp_path / "names.json").write_text(json.dumps({"P1": "place of birth"}))
    return [
        *(save(halved), tmp_path / "out", "--encoder", encoder("bert")),
        *("--rel2id", tmp_path / "rel2id.json", "--names", tmp_path / "names.json"),
    ]


def test_command(arguments: List[object], tmp_path: Path, make_doc: Callable) -> None:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    nlp = spacy.load(tmp_path / "out")
    extractor = nlp.get_pipe("doc_relation_extractor")
    assert extractor.labels == ("P1", "P2", "P3") and extractor.cfg["top_k"] == 4
    assert extractor.label_names == {"P1": "place of birth"}
    # Its weights are random: any score will do.
    config = {"components": {"doc_relation_extractor": {"threshold": 0.0}}}
    doc, again = (
        spacy.load(tmp_path / "out", config=config)(make_doc(WORDS, ENTITIES, sentences=[0, 7, 18]))
        for _ in range(2)
    )
    assert doc._.relations and doc._.relations[0].evidence
    assert [relation.triple for relation in again._.relations] == [
        relation.triple for relation in doc._.relations
    ]
    assert "Already there" in run(*arguments).output


class _Code:
    def __reduce__(self) -> tuple:
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"projection.weight": None, "bilinear.weight": None}, "no weights 'bilinear.weight'"),
        ({"model.encoder.layer.0.output.dense.bias": None}, "not trained from the encoder"),
        ({"model.embeddings.word_embeddings.weight": torch.zeros(3, 32)}, "another shape of"),
        ({"classifier.bias": torch.zeros(3)}, "3 classes, TH among them, and there are 3"),
    ],
)
def test_another_checkpoint(
    arguments: List[object], save: Callable, encoder: Callable, change: Dict, problem: str
) -> None:
    state = {**random_state(encoder("bert"), 4, kind="kd"), **change}
    save({name: value for name, value in state.items() if value is not None})
    result = run(*arguments)
    assert result.exit_code == 1 and problem in " ".join(result.output.split())


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"\x80", "cannot be read as a state dict"),
        (pickle.dumps(_Code()), "cannot be read as a state dict"),
        (None, "holds no state dict"),
    ],
)
def test_no_state_dict(
    arguments: List[object], tmp_path: Path, save: Callable, content: Any, problem: str
) -> None:
    if content is None:
        save([torch.zeros(1)])
    else:
        (tmp_path / "state.pt").write_bytes(content)
    result = run(*arguments)
    assert result.exit_code == 1 and problem in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("numbers", [{"Na": 0, "P1": 2}, ["Na"], {"Na": "no"}, {"Na": 0, "P1": 0}])
def test_relations_without_numbers(
    arguments: List[object], tmp_path: Path, numbers: object
) -> None:
    (tmp_path / "rel2id.json").write_text(json.dumps(numbers))
    result = run(*arguments)
    assert result.exit_code == 1 and "should number the relations" in " ".join(
        result.output.split()
    )
