"""What every spaCy command loads."""

import subprocess
import sys


def test_commands_do_not_load_transformers() -> None:
    """They would wait for it for seconds: the group of commands is an entry point of spaCy's."""
    code = (
        "import sys, spacy_docre.cli;"
        "heavy = {'transformers', 'spacy_transformers', 'sacremoses', 'rdflib', 'networkx'};"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
