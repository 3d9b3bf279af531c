#!/usr/bin/env bash
# Check style, types and the direction of imports, and run the tests, in the current environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ruff check .
ruff format --check .
mypy spacy_docre
lint-imports
python -m pytest -n 2 --durations=20 "$@"
