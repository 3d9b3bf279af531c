"""What every spaCy command loads: the group of commands is an entry point of spaCy's."""

import subprocess
import sys


def loaded(code: str) -> str:
    """What a Python of its own prints."""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_commands_do_not_load_transformers() -> None:
    """They would wait for it for seconds."""
    code = (
        "import sys, spacy_docre.cli;"
        "heavy = {'transformers', 'spacy_transformers', 'sacremoses', 'rdflib', 'networkx'};"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or 0)"
    )
    loaded(code)


def test_commands_load_little_that_spacy_does_not() -> None:
    """No other package, and of our rooms what the package itself imports."""
    code = (
        "import sys, spacy.cli; before = set(sys.modules); import spacy_docre.cli;"
        "new = sys.modules.keys() - before;"
        "packages = lambda names: {name.partition('.')[0] for name in names};"
        "print(*packages(new) - packages(before) - sys.stdlib_module_names);"
        "print(*{name.split('.')[1] for name in new if name.startswith('spacy_docre.')})"
    )
    packages, rooms = (set(line.split()) for line in loaded(code).splitlines())
    # An editable installation has a finder of its own.
    assert {name for name in packages if not name.startswith("__editable__")} == {"spacy_docre"}
    assert rooms == {"annotations", "cli", "display", "mentions", "stored"}
