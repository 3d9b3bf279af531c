"""Load transformers and tokenizers from the hub, a folder or a stored pipeline. Their files are
read as data: nothing in them becomes code, a path, or an argument that loads code."""

import json
import re
import warnings
from contextlib import contextmanager
from pathlib import Path
from reprlib import repr as shortened
from tempfile import TemporaryDirectory
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from spacy_transformers.data_classes import HFObjects
from thinc.api import get_torch_default_device
from tokenizers import Tokenizer
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PretrainedConfig,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
)
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

# The allowed names of tokenizer files. Such a file cannot be imported or unpickled, and it is in
# the folder itself.
_TOKENIZER_FILE = re.compile(
    r"\w[\w.-]*\.(json|txt|model|codes|spm|bpe|vocab|tiktoken|tokenizer)", re.ASCII
)
_TOKENIZER_CLASS = re.compile(r"\w+Tokenizer(Fast)?", re.ASCII)
# A template for chats is a program, and an encoder has no use for it.
_CHAT_TEMPLATE = ".jinja"
# The file of a tokenizer that is written in Rust.
_FAST_TOKENIZER = "tokenizer.json"
# Files of settings. The settings become arguments of the tokenizer.
_SETTINGS_FILES = ("tokenizer_config.json", "special_tokens_map.json")
# Settings that name code, files or folders. An attention implementation is one of them: it may be a
# kernel on the hub. `init_inputs` are positional arguments, and the first is a path.
_UNSAFE = {
    *("auto_map", "trust_remote_code", "custom_pipelines", "chat_template"),
    *("attn_implementation", "_attn_implementation", "_attn_implementation_internal"),
    *("_name_or_path", "name_or_path", "_commit_hash", "_configuration_file", "init_inputs"),
}
_UNSAFE_ENDINGS = ("_file", "_files")
# Other models load networks for images or sound, from any place that their config names.
_ENCODERS_OF_TEXT = {
    *MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    *MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
} - {"layoutlmv2", "layoutlmv3", "wav2vec2"}
# Settings that are kept, although the config class has attributes of these names.
_OF_THE_CLASS = ("model_type", "output_attentions")
# It would take hours to build a transformer with more parts than any real one has.
_PARTS = re.compile("layer|block|depth|group|stage|expert|num_hidden")
_MOST_PARTS = 1000


def load_pretrained(
    name: str, tokenizer_settings: Mapping[str, Any], transformer_settings: Mapping[str, Any]
) -> HFObjects:
    """Load a transformer and its tokenizer to train them.

    name (str): A model on the Hugging Face hub, or a folder.
    tokenizer_settings (Mapping[str, Any]): Settings of the tokenizer.
    transformer_settings (Mapping[str, Any]): Settings of the transformer.
    RETURNS (HFObjects): Both.
    RAISES (ValueError): If the encoder is not for text, or needs its own code.
    """
    safe = {"trust_remote_code": False}
    if any(given.get("trust_remote_code") for given in (tokenizer_settings, transformer_settings)):
        warnings.warn(
            f"trust_remote_code is ignored: code from {name} is never run. Remove the setting.",
            stacklevel=2,
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **{**tokenizer_settings, **safe})
        config = AutoConfig.from_pretrained(
            name, **{**transformer_settings, "return_dict": True, **safe}
        )
        if config.model_type not in _ENCODERS_OF_TEXT:
            raise ValueError(
                f"The encoder {name} is of the type {config.model_type!r}, which is not a text "
                "encoder in transformers. Choose an encoder for text, e.g. of the type 'bert'."
            )
        if "/" in str(config._attn_implementation):
            raise ValueError(f"Its attention is {config._attn_implementation!r}.")
        transformer = AutoModel.from_pretrained(name, config=config, **safe)
    except ValueError as error:
        if not re.search("trust_remote_code|Its attention", str(error)):
            raise
        raise ValueError(
            f"The encoder {name} needs its own code, which is never run: such code could do "
            "anything on the machine that loads the pipeline. Choose an encoder, and an attention "
            f"(attn_implementation), that are part of transformers. ({error})"
        ) from error
    vocab_file = getattr(tokenizer, "vocab_file", None)
    return HFObjects(
        tokenizer,
        transformer.to(get_torch_default_device()),
        Path(vocab_file).read_bytes() if vocab_file else None,
    )


def read_stored(
    config: Mapping[str, Any],
    files: Mapping[str, Any],
    *,
    config_cls: Any = AutoConfig,
    tokenizer_cls: Any = AutoTokenizer,
) -> Tuple[PretrainedConfig, PreTrainedTokenizerBase]:
    """Read the config and the tokenizer of a stored transformer, without its weights. Nothing is
    downloaded.

    config (Mapping[str, Any]): The transformer's config.
    files (Mapping[str, Any]): The content of the tokenizer's files, by name. The name "kwargs"
        holds the argument `use_fast`.
    config_cls (Any): The class that reads the config.
    tokenizer_cls (Any): The class that reads the tokenizer.
    RETURNS (Tuple[PretrainedConfig, PreTrainedTokenizerBase]): The config and the tokenizer.
    RAISES (ValueError): If they are damaged, or need their own code.
    """
    safe = {"trust_remote_code": False, "local_files_only": True}
    use_fast = bool(files.get("kwargs", {}).get("use_fast", True))
    with TemporaryDirectory() as folder:
        for name, content in safe_files(files).items():
            (Path(folder) / name).write_bytes(content)
        # srsly's JSON would round BERT's layer_norm_eps of 1e-12 to 0.
        text = json.dumps(_encoder_settings(config))
        (Path(folder) / "config.json").write_text(text, encoding="utf8")
        read_config = config_cls.from_pretrained(folder, **safe)
        try:
            tokenizer = tokenizer_cls.from_pretrained(folder, use_fast=use_fast, **safe)
        except Exception as error:
            # The error of transformers for a damaged tokenizer depends on the installed packages:
            # it may say that a package is missing.
            if use_fast and (problem := _problem_of(files.get(_FAST_TOKENIZER))):
                raise ValueError(f"{_FAST_TOKENIZER} cannot be read: {problem}") from error
            raise
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise ValueError("there is no tokenizer")
    return read_config, tokenizer


def _problem_of(content: Optional[bytes]) -> str:
    """Return why a fast tokenizer cannot be read; "" if it can be read, or if there is none."""
    try:
        if content is not None:
            Tokenizer.from_buffer(content)
    except Exception as error:
        return str(error)
    return ""


def safe_files(files: Mapping[str, Any]) -> Dict[str, bytes]:
    """Select the tokenizer files, and the settings in them, that are safe to read.

    files (Mapping[str, Any]): The content of files, by name, and "kwargs".
    RETURNS (Dict[str, bytes]): The content of the tokenizer files, by name.
    RAISES (ValueError): If there is another file, or a class that is not a tokenizer class.
    """
    chosen = {}
    for name, content in files.items():
        if name == "kwargs" or name.endswith(_CHAT_TEMPLATE):
            continue
        if not _TOKENIZER_FILE.fullmatch(name):
            raise ValueError(f"{name!r} is not a tokenizer file")
        if name in _SETTINGS_FILES:
            settings = json.loads(content)
            safe = _without_unsafe(settings)
            if safe != settings:
                content = json.dumps(safe, ensure_ascii=False).encode("utf8")
        chosen[name] = content
    return chosen


def _encoder_settings(config: Mapping[str, Any]) -> Dict[str, Any]:
    """Select the settings of a text encoder. A setting that would replace a method or a table of
    the config class is left out."""
    kind = config.get("model_type")
    if kind not in _ENCODERS_OF_TEXT:
        raise ValueError(f"model_type = {shortened(kind)} is not a text encoder in transformers")
    config_cls = CONFIG_MAPPING[kind]
    settings = {
        key: value
        for key, value in _without_unsafe(config).items()
        if key in _OF_THE_CLASS or not hasattr(config_cls, key)
    }
    for key, value in settings.items():
        if "backbone" in key or isinstance(value, dict) and "model_type" in value:
            raise ValueError(f"{key} is a separate network")
        if _PARTS.search(key) and _is_large(value):
            raise ValueError(f"{key} = {shortened(value)} is too large")
    return settings


def _is_large(value: Any) -> bool:
    if isinstance(value, (list, tuple, dict)):
        return len(value) > _MOST_PARTS or any(map(_is_large, value))
    return isinstance(value, (int, float)) and value > _MOST_PARTS


def _without_unsafe(settings: Any) -> Dict[str, Any]:
    """Remove settings that could load code, nested settings included."""
    class_name = settings.get("tokenizer_class")
    if class_name is not None and not _TOKENIZER_CLASS.fullmatch(class_name):
        # transformers would use any of its objects with this name.
        raise ValueError(f"{class_name!r} is not a tokenizer class")
    return {
        key: _without_unsafe(value) if isinstance(value, dict) else value
        for key, value in settings.items()
        if key not in _UNSAFE and not str(key).endswith(_UNSAFE_ENDINGS)
    }


@contextmanager
def made_of_data(owner: str, needs_code: bool) -> Iterator[None]:
    """Turn all errors of transformers and tokenizers for damaged data into one error.

    owner (str): The object that is made, to begin the message with.
    needs_code (bool): Whether the data names its own code.
    RAISES (ValueError): If the object cannot be made.
    """
    try:
        yield
    except ImportError:
        # The error names the missing package.
        raise
    except Exception as error:
        code = " The data names its own code, which is never run." if needs_code else ""
        raise ValueError(
            f"{owner} cannot be made from the stored data: the data is damaged, or from another "
            f"version of transformers.{code} Copy or train the pipeline again. "
            f"({type(error).__name__}: {error})"
        ) from error
