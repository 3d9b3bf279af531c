"""Settings that a component stores with its weights, and that its config holds as well.

Both can change: the config when a pipeline is loaded, and the component's own threshold after
training. So the component also stores the values that its config had. A value in the config that
differs from the stored one was changed in the config, and wins.
"""

import copy
import json
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Mapping, Optional, Tuple

import srsly
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.util import load_config

# The key of the values that the config had, among the settings.
CONFIGURED = "configured"
_CFG = "cfg"


def make_settings(**configured: Any) -> Dict[str, Any]:
    """Make the settings of a component.

    **configured (Any): The settings that its config holds.
    RETURNS (Dict[str, Any]): These settings, a copy of them under `CONFIGURED`, and no labels.
    """
    return {"labels": [], **copy.deepcopy(configured), CONFIGURED: copy.deepcopy(configured)}


def set_everywhere(nlp: Language, component: TrainablePipe, name: str, value: Any) -> None:
    """Set a setting in a component and in the config of its pipeline.

    nlp (Language): The pipeline.
    component (TrainablePipe): The component.
    name (str): The name of the setting.
    value (Any): Its new value.
    """
    component.cfg[name] = component.cfg[CONFIGURED][name] = value
    nlp.get_pipe_config(component.name)[name] = value


@contextmanager
def let_config_win(
    component: TrainablePipe, exclude: Iterable[str], folder: Optional[Path] = None
) -> Iterator[None]:
    """Let a component read its settings, and then let changed values of its config win. A warning
    names the other settings that differ from the config.

    component (TrainablePipe): The component; it is read within the context.
    exclude (Iterable[str]): Serialisation fields that are left out.
    folder (Optional[Path]): Its folder; None if it is read from bytes.
    """
    if _CFG in exclude:
        yield
        return
    configured = component.cfg.pop(CONFIGURED)
    try:
        yield
        earlier = component.cfg.pop(CONFIGURED, None)
        if earlier is None and folder is not None:
            earlier = _read_config(component.name, folder, configured)
        _settle(component, configured, earlier if isinstance(earlier, dict) else None)
    finally:
        component.cfg[CONFIGURED] = configured


def _settle(
    component: TrainablePipe, configured: Mapping[str, Any], earlier: Optional[Mapping[str, Any]]
) -> None:
    """Let the values win that were changed in the config."""
    known, before = _one_by_one(component.cfg), _one_by_one(earlier or {})
    differing = []
    for path, value in _one_by_one(configured).items():
        # Stored numbers are rounded.
        same = (value, json.loads(srsly.json_dumps(value)))
        changed = earlier is not None and (path not in before or before[path] not in same)
        if changed or path not in known or known[path] in same:
            settings = component.cfg
            for name in path[:-1]:
                settings = settings[name]
            settings[path[-1]] = value
        else:
            differing.append(f"{'.'.join(path)} = {known[path]!r} (in the config: {value!r})")
    if differing:
        warnings.warn(
            f"'{component.name}' has settings that differ from its config, and uses its own: "
            f"{', '.join(differing)}. To have one value in both, load the pipeline with "
            f'config={{"components.{component.name}.SETTING": VALUE}}, and save it.',
            stacklevel=2,
        )


def _one_by_one(settings: Mapping[str, Any]) -> Dict[Tuple[str, ...], Any]:
    """Map paths to settings. The readable name of each relation is a setting of its own."""
    found: Dict[Tuple[str, ...], Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found.update({(name, key): item for key, item in value.items()})
        else:
            found[name,] = value
    return found


def _read_config(
    name: str, folder: Path, configured: Mapping[str, Any]
) -> Optional[Dict[str, Any]]:
    """Read the values from the config beside a component's folder: an older version did not store
    them with the component. None if the folder has no such config."""
    try:
        config = load_config(folder.parent / "config.cfg", interpolate=True)
        section = config["components"][name]
    except (KeyError, OSError, ValueError):
        return None
    return {key: section.get(key, value) for key, value in configured.items()}
