"""`python -m spacy docre render`: show annotated documents on an HTML page."""

from itertools import islice
from pathlib import Path
from typing import Annotated, List, Optional

from spacy.cli._util import Arg, Opt, import_code
from spacy.vocab import Vocab

from ._options import Code, Force
from ._shared import exit_on_error, refuse_existing
from ._terminal import msg

_Docs = Annotated[
    Path,
    Arg(
        help="The output of docre annotate: a .jsonl, .parquet or .spacy file, or a folder of "
        "parts; or DocRED's .json",
        exists=True,
    ),
]
_Output = Annotated[Path, Arg(help="HTML file to write", dir_okay=False)]
_LowestScore = Annotated[
    float, Opt("--threshold", "-t", min=0, max=1, help="Show relations of at least this score")
]
_Relations = Annotated[
    Optional[List[str]],
    Opt("--relation", "-r", help="Label or name of a relation to show. May be repeated"),
]
_Labels = Annotated[
    Optional[List[str]],
    Opt("--label", "-l", help="Label of entities to mark. May be repeated"),
]
# -l is --label.
_Lang = Annotated[str, Opt("--lang", help="Language of the texts of a JSON file")]
_ShortNames = Annotated[
    bool,
    Opt("--short-names", help="Show Wikidata's relations with short names, e.g. 'located in'"),
]
_Limit = Annotated[int, Opt("--limit", "-n", min=0, help="Number of documents, 0 for all")]


def render_cli(
    docs: _Docs,
    output: _Output,
    threshold: _LowestScore = 0.0,
    relations: _Relations = None,
    labels: _Labels = None,
    short_names: _ShortNames = False,
    limit: _Limit = 0,
    lang: _Lang = "en",
    code: Code = None,
    force: Force = False,
) -> None:
    """
    Make an HTML page of annotated documents: text, relations and their graph.

    The page is one file, and needs no network.
    """
    from ..data.corpus_files import read_docs
    from ..display.render import to_html
    from ..files import written_whole

    refuse_existing([output], force)
    import_code(code)
    options = {
        "threshold": threshold,
        "relations": relations or None,
        "labels": labels or None,
        "short_names": short_names,
    }
    with exit_on_error(f"Cannot render {docs}"):
        documents = list(islice(read_docs(docs, Vocab(), lang=lang), limit or None))
        if not documents:
            raise ValueError(f"{docs} has no documents. Give the output of docre annotate.")
        html = to_html(documents, page=True, options=options, strict=True)
        with written_whole([output]) as written:
            written[output].write_text(html, encoding="utf8")
    msg.good(f"{output}: {len(documents)} documents")
