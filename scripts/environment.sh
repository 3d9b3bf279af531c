# The other scripts source this. It makes a virtual environment with the tested versions, in .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'; then
    echo "The tested versions need Python 3.11, 3.12 or 3.13. Name one: PYTHON=python3.12 bash $0" >&2
    exit 1
fi
if [ ! -x .venv/bin/python ]; then
    "$python" -m venv .venv
fi
source .venv/bin/activate
python -m pip install --quiet --disable-pip-version-check -r requirements.txt
python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
# Everything below runs without a model hub.
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
# glibc's malloc fragments memory, which slows a long training to half its speed
# (docs/how-to/save-memory.md).
if PATH=$PATH:/sbin ldconfig -p 2>/dev/null | grep -F libtcmalloc_minimal.so.4 >/dev/null; then
    export LD_PRELOAD=libtcmalloc_minimal.so.4
fi
