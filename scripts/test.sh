#!/usr/bin/env bash
# Check style, types and imports, and run the tests; then test the wheel. Arguments go to pytest, e.g.
# to choose tests. With arguments, the wheel is not tested.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
bash scripts/checks.sh "$@"
if [ $# = 0 ]; then
    nox --session wheel --python "$(python -c 'import platform; print(*platform.python_version_tuple()[:2], sep=".")')"
fi
