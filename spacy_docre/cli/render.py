"""`python -m spacy docre render`: annotated documents to a page."""

from itertools import islice
from pathlib import Path
from typing import Annotated, List, Optional

from spacy.cli._util import Arg, Opt
from spacy.vocab import Vocab
from wasabi import msg

from ..data.corpus_files import read_docs
from ..display.render import to_html
from ..extras import import_extra
from ..files import written_whole
from ._shared import refuse_existing


def render_cli(
    docs: Annotated[Path, Arg(help=".spacy file of annotated documents, or a folder", exists=True)],
    output: Annotated[Path, Arg(help="HTML file to write", dir_okay=False)],
    threshold: Annotated[
        float, Opt("--threshold", "-t", min=0, max=1, help="Show relations of at least this score")
    ] = 0.0,
    relations: Annotated[
        Optional[List[str]],
        Opt("--relation", "-r", help="Label or name of a relation to show; several times for more"),
    ] = None,
    labels: Annotated[
        Optional[List[str]],
        Opt("--label", "-l", help="Label of entities to mark; several times for more"),
    ] = None,
    limit: Annotated[int, Opt("--limit", "-n", min=0, help="Documents; 0 for all")] = 0,
    force: Annotated[bool, Opt("--force", "-F", help="Overwrite the output")] = False,
) -> None:
    """
    Make a page of annotated documents: text, relations and their graph.

    The page is one file, which needs nothing from the network.
    """
    refuse_existing([output], force)
    options = {"threshold": threshold, "relations": relations or None, "labels": labels or None}
    try:
        import_extra("networkx")
        documents = list(islice(read_docs(docs, Vocab()), limit or None))
        html = to_html(documents, page=True, options=options)
        with written_whole([output]) as written:
            written[output].write_text(html, encoding="utf8")
    except (ImportError, OSError, ValueError) as error:
        msg.fail(f"Cannot render {docs}", error, exits=1)
    msg.good(f"{output}: {len(documents)} documents")
