#!/usr/bin/env bash
# Check style and types, and run the tests. Arguments go to pytest.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ruff check .
ruff format --check .
mypy spacy_docre
python -m pytest "$@"
