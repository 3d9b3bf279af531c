"""`python -m spacy docre predict`: predict the relations between known entities."""

from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import Arg, Opt, import_code
from spacy.vocab import Vocab

from ._options import BatchSize, Code, Force, Gpu, Lang, Model, Threshold
from ._shared import ask, exit_on_error, load_extracting_pipeline, refuse_existing, use_gpu
from ._terminal import msg

_Docs = Annotated[
    Path,
    Arg(
        metavar="DOCS",
        help="Documents with entities: DocRED's .json, a .spacy file, or a folder of .spacy files",
        exists=True,
    ),
]
_Output = Annotated[
    Path, Opt("--output", "-o", help="Result file to write, ending in .json", dir_okay=False)
]


def predict_cli(
    model: Model,
    docs_path: _Docs,
    output: _Output,
    lang: Lang = "en",
    threshold: Threshold = None,
    batch_size: BatchSize = 32,
    gpu: Gpu = -1,
    code: Code = None,
    force: Force = False,
) -> None:
    """
    Predict the relations of documents with known entities. Write a result file for DocRED's
    leaderboard.

    DOCS need no relations, and relations in them are ignored. Entities are numbered as in
    vertexSet, and sentences as in sents. 'docre evaluate' reads the file.
    """
    from ..evaluation.answers import write_answers
    from ..evaluation.predict import read_documents
    from ..files import written_whole

    _check_output(docs_path, output)
    refuse_existing([output], force)
    use_gpu(gpu)
    import_code(code)
    with exit_on_error(f"Cannot write {output}"), written_whole([output]) as written:
        docs = read_documents(docs_path, Vocab(), lang=lang)
        nlp = load_extracting_pipeline(model, threshold)
        answers, _ = ask(nlp, docs, batch_size=batch_size)
        write_answers(written[output], answers)
    msg.good(f"{output}: {len(docs)} documents, {len(answers)} relations")


def _check_output(docs_path: Path, output: Path) -> None:
    """Refuse a name without .json, as other commands would not know the format. Refuse the file of
    the documents."""
    if output.suffix != ".json":
        raise typer.BadParameter(f"A result file is JSON: name it {output.with_suffix('.json')}.")
    if output.resolve() == docs_path.resolve():
        raise typer.BadParameter("OUT is the file DOCS, which would be lost. Name another file.")
