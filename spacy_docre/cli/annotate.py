"""`python -m spacy docre annotate`: documents to relations."""

import os
from contextlib import ExitStack
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Dict, Iterable, List

import typer
from spacy.cli._util import Arg, Opt, import_code
from spacy.tokens import Doc
from tqdm import tqdm

from ._options import BatchSize, Code, Force, Gpu, Model, Threshold
from ._shared import (
    exit_on_error,
    load_extracting_pipeline,
    refuse_existing,
    refuse_given,
    use_gpu,
)
from ._terminal import msg

if TYPE_CHECKING:
    from ..annotate.batch import Result
    from ..annotate.inputs import InputDocument, Listing
    from ..annotate.outputs import Output

# Of a column of the table, in characters.
_WIDTH = 32
# Files that are named one by one, of those that are left aside.
_MOST = 20

_Inputs = Annotated[
    List[Path],
    Arg(
        help="Text files, .jsonl or .spacy files, DocRED's .json, folders, or - for standard input"
    ),
]
_Outputs = Annotated[
    List[Path],
    Opt(
        *("--output", "-o"),
        help="File to write, whose ending names its format: .jsonl, .csv, .spacy, .nt, .ttl, "
        ".jsonld, .graphml or .html. May be repeated",
        dir_okay=False,
    ),
]
_Processes = Annotated[int, Opt("--n-process", "-n", min=1, help="Number of processes")]
_TextField = Annotated[str, Opt("--text-field", help="JSONL: the field of the text")]
_IdField = Annotated[str, Opt("--id-field", help="JSONL: the field of the document's id")]
_MaxSize = Annotated[
    int, Opt("--max-size", min=1, help="Most MB of a text file or of a line of JSONL")
]
_PrintTable = Annotated[bool, Opt("--table", "-T", help="Print the relations as well")]


def annotate_cli(
    ctx: typer.Context,
    model: Model,
    inputs: _Inputs,
    outputs: _Outputs,
    batch_size: BatchSize = 32,
    n_process: _Processes = 1,
    threshold: Threshold = None,
    gpu: Gpu = -1,
    text_field: _TextField = "text",
    id_field: _IdField = "id",
    max_size: _MaxSize = 16,
    table: _PrintTable = False,
    code: Code = None,
    force: Force = False,
) -> None:
    """
    Annotate documents with a trained pipeline.

    The outputs are written whole or not at all. Hidden files of folders are left aside. A
    document that cannot be read, annotated or written is reported and left out; the exit status
    is then 1.
    """
    from ..annotate.engine import annotate
    from ..annotate.inputs import read_inputs
    from ..files import written_whole

    _check_formats(outputs)
    refuse_existing(outputs, force)
    use_gpu(gpu)
    import_code(code)
    # Listed before the outputs exist, which may be in one of the folders.
    listing = _list_inputs(inputs, outputs)
    if not listing.has_json_lines:
        refuse_given(ctx, ("text_field", "id_field"), "inputs without a .jsonl file")
    names = ", ".join(map(str, outputs))
    with exit_on_error(f"Cannot write {names}"), written_whole(outputs) as written:
        nlp = load_extracting_pipeline(model, threshold)
        items = read_inputs(
            listing,
            nlp.vocab,
            text_field=text_field,
            id_field=id_field,
            max_bytes=max_size * 2**20,
        )
        results = annotate(nlp, items, batch_size=batch_size, n_process=n_process)
        failures = _write(outputs, written, results, table)
    if failures:
        msg.fail(f"{failures} documents were left out", exits=1)


def _check_formats(outputs: List[Path]) -> None:
    """Exit where the format of an output is not known or not installed."""
    from ..annotate.outputs import choose_output

    for output in outputs:
        with exit_on_error(f"Cannot write {output}"):
            choose_output(output)


def _list_inputs(inputs: List[Path], outputs: List[Path]) -> "Listing":
    """Find the input files, without the outputs, and tell what is left aside. Exit where one is
    missing, or is an output."""
    from ..annotate.inputs import STDIN, Failure, list_files
    from ..files import path_text

    written = {os.path.realpath(output) for output in outputs}
    given = [path for path in inputs if str(path) != STDIN]
    missing = [path_text(path) for path in given if not os.path.exists(path)]
    if missing:
        msg.fail(f"Not there: {', '.join(missing)}", exits=1)
    both = [path_text(path) for path in given if os.path.realpath(path) in written]
    if both:
        msg.fail(f"Both input and output: {', '.join(both)}", "Name another output.", exits=1)
    listing = list_files(inputs)
    own = [file for file in listing.files if os.path.realpath(file) in written]
    listing.files = [file for file in listing.files if file not in set(own)]
    aside = [*listing.aside, *(Failure(path_text(file), "It is an output.") for file in own)]
    for failure in aside[:_MOST]:
        msg.info(f"Left aside: {failure.id}", failure.problem)
    if len(aside) > _MOST:
        msg.info(f"Left aside: {len(aside) - _MOST} more")
    return listing


def _write(
    outputs: List[Path], written: Dict[Path, Path], results: "Iterable[Result]", table: bool
) -> int:
    """Write the documents, and count those that have failed."""
    from ..annotate.inputs import Failure
    from ..annotate.outputs import choose_output

    documents = relations = failures = 0
    with ExitStack() as stack:
        files: Dict[Path, Output] = {}
        for output in outputs:
            files[output] = choose_output(output)(written[output])
            stack.callback(files[output].close)
        for result in tqdm(results, unit=" documents", disable=None):
            if isinstance(result, Failure):
                failures += 1
                msg.warn(f"Left out: {result.id}", result.problem)
                continue
            doc, source = result
            problems = _write_document(files, doc, source, table)
            for place, problem in problems.items():
                msg.warn(f"Left out of {place}: {source.id}", problem)
            failures += bool(problems)
            documents += not problems
            relations += len(doc._.relations)
    names = ", ".join(map(str, outputs))
    msg.good(f"{names}: {documents} documents, {relations} relations")
    return failures


def _write_document(
    files: "Dict[Path, Output]", doc: Doc, source: "InputDocument", table: bool
) -> Dict[str, str]:
    """Write a document. Where that fails, why."""
    from ..errors import describe_error
    from ..files import path_text

    problems = {}
    for path, file in files.items():
        try:
            file.write(doc, source)
        except OSError:
            # The file's, and so that of all documents.
            raise
        except Exception as error:
            problems[path_text(path)] = describe_error(error)
    if table:
        _print_table(doc, source.id)
    return problems


def _print_table(doc: Doc, name: str) -> None:
    rows = [
        (
            shorten(relation.head.text, _WIDTH, placeholder="…"),
            relation.name,
            shorten(relation.tail.text, _WIDTH, placeholder="…"),
            f"{relation.score:.2f}",
        )
        for relation in doc._.relations
    ]
    with tqdm.external_write_mode():
        msg.divider(name)
        msg.table(rows, header=("head", "relation", "tail", "score"), divider=True, max_col=50)
