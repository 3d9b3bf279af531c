#!/usr/bin/env bash
# Check style, types and imports, and run the tests; then test the wheel. With arguments, which go to
# pytest, some of the tests alone.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
bash scripts/checks.sh "$@"
if [ $# = 0 ]; then
    nox --session wheel --python "$(python -c 'import platform; print(*platform.python_version_tuple()[:2], sep=".")')"
fi
