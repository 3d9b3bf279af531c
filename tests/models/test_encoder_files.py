"""What is loaded is data: no file, setting or name in it runs code."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import spacy
import srsly
import torch
from spacy.language import Language
from transformers import AutoBackbone, AutoConfig

from spacy_docre.models.encoder_files import load_pretrained, read_stored, safe_files
from tests.models.encoders import docs_of, relations_of

# Where the code that must not run leaves its mark.
MARK = "code_has_run"
CODE = """
from pathlib import Path
Path({mark!r}).write_text("run")
from transformers import AutoModel, BertConfig, BertModel, BertTokenizer, BertTokenizerFast
class EvilTokenizer(BertTokenizer): pass
class EvilTokenizerFast(BertTokenizerFast): pass
class EvilConfig(BertConfig): model_type = "evil"
class EvilModel(BertModel): config_class = EvilConfig
"""
TOKENIZERS = ["evil.EvilTokenizer", "evil.EvilTokenizerFast"]
AUTO_MAP = {
    "AutoTokenizer": TOKENIZERS,
    "AutoConfig": "evil.EvilConfig",
    "AutoModel": "evil.EvilModel",
}
Message = Dict[str, Any]


class Evil:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.write_text, (self.mark, "run")


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Where transformers copies code to before it runs it.
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "hf"))
    return tmp_path / MARK


@pytest.fixture(scope="module")
def saved(
    make_pipeline: Callable, make_examples: Callable, tmp_path_factory: pytest.TempPathFactory
) -> Language:
    nlp = make_pipeline(examples=make_examples(2))
    nlp.to_disk(tmp_path_factory.mktemp("saved"))
    return nlp


def tamper(nlp: Language, folder: Path, change: Callable[[Message], None]) -> Path:
    """Save a pipeline whose stored transformer has been changed."""
    nlp.to_disk(folder)
    file = folder / "transformer" / "model"
    outer = srsly.read_msgpack(file)
    (shim,) = outer["shims"][1]
    message = srsly.msgpack_loads(shim)
    change(message)
    outer["shims"][1] = [srsly.msgpack_dumps(message)]
    srsly.write_msgpack(file, outer)
    return folder


def settings_of(message: Message) -> Message:
    return json.loads(message["tokenizer"]["tokenizer_config.json"])


def set_settings(message: Message, **settings: Any) -> None:
    changed = {**settings_of(message), **settings}
    message["tokenizer"]["tokenizer_config.json"] = json.dumps(changed).encode()


def add_code(mark: Path, message: Message, *names: str) -> None:
    for name in names or ["evil.py"]:
        message["tokenizer"][name] = CODE.format(mark=str(mark)).encode()
    message["tokenizer"]["kwargs"] = {"use_fast": True, "trust_remote_code": True}


def evil_tokenizer(mark: Path, message: Message) -> None:
    add_code(mark, message)
    set_settings(message, auto_map={"AutoTokenizer": TOKENIZERS}, tokenizer_class="EvilTokenizer")


def evil_tokenizer_of_the_old_format(mark: Path, message: Message) -> None:
    add_code(mark, message)
    set_settings(message, auto_map=TOKENIZERS)


def evil_tokenizer_in_the_config(mark: Path, message: Message) -> None:
    add_code(mark, message)
    set_settings(message, tokenizer_class=None)
    message["config"]["auto_map"] = AUTO_MAP


def evil_config(mark: Path, message: Message) -> None:
    add_code(mark, message)
    message["config"].update(auto_map=AUTO_MAP, model_type="evil", trust_remote_code=True)


def evil_config_of_a_known_type(mark: Path, message: Message) -> None:
    add_code(mark, message)
    message["config"].update(auto_map=AUTO_MAP, trust_remote_code=True)


def evil_code_elsewhere(mark: Path, message: Message) -> None:
    """Nothing is written outside of the folder that is read."""
    (mark.parent / "evil.py").write_text(CODE.format(mark=str(mark)))
    auto_map = {"AutoTokenizer": [f"{mark.parent}--{name}" for name in TOKENIZERS]}
    set_settings(message, auto_map=auto_map, tokenizer_class="EvilTokenizer")
    message["tokenizer"]["kwargs"] = {"trust_remote_code": True, "code_revision": "main"}


def evil_pickle(mark: Path, message: Message) -> None:
    file = mark.parent / "weights"
    torch.save({"weight": Evil(mark)}, file)
    message["state"] = file.read_bytes()


def class_that_is_no_tokenizer(mark: Path, message: Message) -> None:
    add_code(mark, message)
    set_settings(message, tokenizer_class="AutoModel")
    message["config"]["auto_map"] = AUTO_MAP


@pytest.mark.parametrize(
    "attack",
    [
        evil_tokenizer,
        evil_tokenizer_of_the_old_format,
        evil_tokenizer_in_the_config,
        evil_config,
        evil_config_of_a_known_type,
        evil_code_elsewhere,
        evil_pickle,
        class_that_is_no_tokenizer,
    ],
)
def test_a_weight_file_runs_no_code(
    attack: Callable[[Path, Message], None], saved: Language, tmp_path: Path, mark: Path
) -> None:
    folder = tamper(saved, tmp_path / "tampered", partial(attack, mark))
    data = (folder / "transformer" / "model").read_bytes()
    with pytest.raises(ValueError, match="transformer"):
        spacy.load(folder)
    with pytest.raises(ValueError, match="transformer"):
        spacy.util.load_model_from_config(saved.config).get_pipe("transformer").model.from_bytes(
            data
        )
    config = {"nlp": saved.config["nlp"], "components": {"transformer": {"source": str(folder)}}}
    config["nlp"] = {**config["nlp"], "pipeline": ["transformer"]}
    with pytest.raises(ValueError, match="transformer"):
        spacy.util.load_model_from_config(config)
    assert not mark.exists()


@pytest.mark.parametrize(
    "name",
    ["../outside.json", "/tmp/outside.json", "a/b.json", "evil.py", "x.pkl", ".json", "model"],
)
def test_names_of_files_are_no_paths(name: str) -> None:
    with pytest.raises(ValueError, match="is not a tokenizer file"):
        safe_files({"tokenizer.json": b"{}", name: b""})


def test_settings_that_load_from_elsewhere_are_left_out() -> None:
    settings = {
        "do_lower_case": True,
        "model_max_length": 512,
        "tokenizer_file": "/etc/passwd",
        "vocab_file": "/etc/passwd",
        "auto_map": TOKENIZERS,
        "chat_template": "{{ x }}",
        "init_inputs": ["/etc/passwd"],
    }
    files = {"tokenizer_config.json": json.dumps(settings).encode(), "chat_template.jinja": b"{{"}
    chosen = safe_files({**files, "vocab.json": b'{"auto_map": 0}', "kwargs": {}})
    assert json.loads(chosen["tokenizer_config.json"]) == {
        "do_lower_case": True,
        "model_max_length": 512,
    }
    assert chosen.keys() == {"tokenizer_config.json", "vocab.json"}
    assert chosen["vocab.json"] == b'{"auto_map": 0}'


def test_settings_of_another_file_do_not_change_the_tokenizer(
    saved: Language, make_examples: Callable, tmp_path: Path
) -> None:
    """What is harmless once it is left out goes on working."""

    def change(message: Message) -> None:
        set_settings(message, auto_map=AUTO_MAP, tokenizer_file="/etc/passwd")
        message["config"].update(_attn_implementation="evil/kernel:run", _name_or_path="evil/repo")
        message["tokenizer"]["kwargs"]["trust_remote_code"] = True

    loaded = spacy.load(tamper(saved, tmp_path, change))
    examples = make_examples(2)
    assert relations_of(loaded.pipe(docs_of(examples))) == relations_of(
        saved.pipe(docs_of(make_examples(2)))
    )


def evil_encoder(folder: Path, mark: Path, encoder: Callable[[str], str]) -> Path:
    """A tiny transformer that brings code."""
    for file in Path(encoder("bert")).iterdir():
        (folder / file.name).parent.mkdir(exist_ok=True)
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "evil.py").write_text(CODE.format(mark=str(mark)))
    for name in ("config.json", "tokenizer_config.json"):
        settings = json.loads((folder / name).read_text())
        settings.update(auto_map=AUTO_MAP)
        (folder / name).write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize("model_type", ["bert", "evil"])
def test_a_config_runs_no_code_of_an_encoder(
    model_type: str,
    encoder: Callable[[str], str],
    make_pipeline: Callable,
    make_examples: Callable,
    tmp_path: Path,
    mark: Path,
) -> None:
    """The config of a pipeline that was downloaded is data, too."""
    folder = evil_encoder(tmp_path / "encoder", mark, encoder)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "model_type": model_type}))
    trust = {"trust_remote_code": True}
    transformer = {"tokenizer_config": trust, "transformer_config": trust}
    nlp = make_pipeline(transformer=transformer)
    nlp.config["components"]["transformer"]["model"]["name"] = str(folder)
    nlp.to_disk(tmp_path / "pipeline")
    loaded = spacy.load(tmp_path / "pipeline")
    if model_type == "bert":
        with pytest.warns(UserWarning, match="trust_remote_code is ignored"):
            loaded.initialize(lambda: make_examples(2))
    else:
        with pytest.warns(UserWarning), pytest.raises(ValueError, match="its own code"):
            loaded.initialize(lambda: make_examples(2))
    assert not mark.exists()


def test_weights_of_an_untrained_pipeline_bring_no_settings(
    encoder: Callable[[str], str],
    make_pipeline: Callable,
    make_examples: Callable,
    tmp_path: Path,
    mark: Path,
) -> None:
    evil = evil_encoder(tmp_path / "encoder", mark, encoder)

    def change(message: Message) -> None:
        message["_init_tokenizer_config"] = {"trust_remote_code": True}
        message["_init_transformer_config"] = {"trust_remote_code": True}

    folder = tamper(make_pipeline(), tmp_path / "pipeline", change)
    outer = srsly.read_msgpack(folder / "transformer" / "model")
    outer["attrs"][0]["name"] = srsly.msgpack_dumps(str(evil))
    outer["attrs"][0]["set_transformer"] = srsly.msgpack_dumps("x")
    srsly.write_msgpack(folder / "transformer" / "model", outer)
    nlp = spacy.load(folder)
    nlp.initialize(lambda: make_examples(2))
    assert not mark.exists()


def test_a_folder_in_the_place_of_the_weights(
    saved: Language, encoder: Callable[[str], str], tmp_path: Path, mark: Path
) -> None:
    """The format of spacy-transformers 1.0 is a folder, which brings its own code."""
    saved.to_disk(tmp_path / "pipeline")
    model = tmp_path / "pipeline" / "transformer" / "model"
    model.unlink()
    evil_encoder(model, mark, encoder)
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="is a folder, and should be"):
        spacy.load(tmp_path / "pipeline")
    assert not mark.exists()


def test_attention_from_the_hub(encoder: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="(?s)needs its own code.*someone/kernel"):
        load_pretrained(encoder("bert"), {}, {"attn_implementation": "someone/kernel:attention"})


class TestNetworksFromElsewhere:
    """Configs of images take a network from wherever they say, in whatever format."""

    PICKLE = {"weights_only": False, "use_safetensors": False}

    @pytest.mark.parametrize("kind", ["detr", "dpt", "maskformer", "upernet", "timm_backbone"])
    def test_none_is_loaded(
        self, kind: str, saved: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: List[object] = []
        for cls in (AutoConfig, AutoBackbone):
            monkeypatch.setattr(cls, "from_pretrained", lambda *args, **_: asked.append(args[0]))
        folder = tmp_path / "backbone"

        def change(message: Message) -> None:
            message["config"].update(
                model_type=kind,
                backbone=str(folder),
                use_pretrained_backbone=True,
                use_timm_backbone=False,
                backbone_config=None,
                backbone_kwargs=self.PICKLE,
            )

        with pytest.raises(ValueError, match=f"'{kind}' is not a text encoder"):
            spacy.load(tamper(saved, tmp_path / "pipeline", change))
        assert asked == []

    def test_nor_is_one_trained(self, encoder: Callable[[str], str], tmp_path: Path) -> None:
        folder = shutil.copytree(encoder("bert"), tmp_path / "encoder")
        (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
        with pytest.raises(ValueError, match="of the type 'vit', which is not a text encoder"):
            load_pretrained(str(folder), {}, {})

    @pytest.mark.parametrize(
        "setting",
        [
            {"attribute_map": {"zz": "_attn_implementation"}},
            {"num_labels": 10**9},
            {"sub_configs": {"x": "y"}},
            {"to_dict": 1},
        ],
        ids=lambda setting: next(iter(setting)),
    )
    def test_what_the_class_of_the_config_has_is_left_out(
        self, setting: Message, saved: Language, tmp_path: Path
    ) -> None:
        folder = tamper(saved, tmp_path, lambda message: message["config"].update(setting))
        config = spacy.load(folder).get_pipe("transformer").model.transformer.config
        assert not vars(config).keys() & setting.keys()
        assert config.num_labels == 2 and config.to_dict()

    @pytest.mark.parametrize(
        "setting",
        [
            {"model_type": "albert", "inner_group_num": 10**8},
            {"model_type": "mixtral", "num_local_experts": 10**8},
            {"model_type": "funnel", "block_sizes": [10**8]},
            {"model_type": "modernbert", "num_hidden_layers": 10.0**9},
            {"model_type": ["bert"]},
            {"model_type": None},
            {"backbone": "someone/network", "use_pretrained_backbone": True},
            {"text_config": {"model_type": "detr"}},
        ],
        ids=str,
    )
    def test_parts_without_end_and_networks_within(
        self, setting: Message, saved: Language, tmp_path: Path
    ) -> None:
        folder = tamper(saved, tmp_path, lambda message: message["config"].update(setting))
        with pytest.raises(ValueError, match="transformer cannot be made from the stored data"):
            spacy.load(folder)


@pytest.mark.parametrize("field", ["num_hidden_layers", "vocab_size", "hidden_size"])
def test_sizes_that_do_not_belong_to_the_weights(
    field: str, saved: Language, tmp_path: Path
) -> None:
    """They are refused before memory is asked for."""

    def change(message: Message) -> None:
        message["config"][field] = 4 * 10**9

    with pytest.raises(ValueError, match="transformer"):
        spacy.load(tamper(saved, tmp_path, change))


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": "1.0"}', b'["a"]', b"\xff\x00"])
def test_a_damaged_tokenizer_is_called_so(content: bytes, encoder: Callable) -> None:
    """And not a package that is missing, whether or not it is."""
    folder = Path(encoder("bert"))
    config = json.loads((folder / "config.json").read_text(encoding="utf8"))
    files = {name: (folder / name).read_bytes() for name in ("tokenizer_config.json", "vocab.txt")}
    read_stored(config, {**files, "tokenizer.json": (folder / "tokenizer.json").read_bytes()})
    with pytest.raises(ValueError, match="tokenizer.json cannot be read"):
        read_stored(config, {**files, "tokenizer.json": content})
