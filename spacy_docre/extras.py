"""Packages that only some commands need: the extras of spacy-docre."""

from importlib import import_module
from typing import Any

# The extra that installs each package.
EXTRAS = {
    "duckdb": "merge",
    "flask": "serve",
    "lxml": "convert",
    "mammoth": "convert",
    "markdown_it": "convert",
    "networkx": "graph",
    "pdfminer": "convert",
    "plotly": "report",
    "psutil": "convert",
    "pyarrow": "parquet",
    "ray": "ray",
    "rdflib": "rdf",
    "waitress": "serve",
    "zstandard": "zstd",
}


def import_extra(module: str) -> Any:
    """Import a module of a package that an extra installs.

    module (str): The module, such as "networkx" or "plotly.offline".
    RETURNS (ModuleType): The module.
    RAISES (ImportError): If the package is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"{package} is not installed. Run: pip install 'spacy-docre[{EXTRAS[package]}]'"
        ) from error
