"""`python -m spacy docre annotate`: documents to relations."""

from contextlib import ExitStack
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Iterable, List, Tuple, Union

from spacy.cli._util import Arg, Opt, import_code
from spacy.tokens import Doc
from tqdm import tqdm

from ._options import BatchSize, Code, Force, Gpu, Model, Threshold
from ._shared import exit_on_error, load_extracting_pipeline, refuse_existing, use_gpu
from ._terminal import msg

if TYPE_CHECKING:
    from ..annotate.inputs import Failure, InputDocument

# Of a column of the table, in characters.
_WIDTH = 32

_Inputs = Annotated[
    List[Path], Arg(help="Text files, .jsonl or .spacy files, folders, or - for standard input")
]
_Outputs = Annotated[
    List[Path],
    Opt(
        *("--output", "-o"),
        help="File to write, whose ending names its format: .jsonl, .csv, .spacy, .nt, .ttl, "
        ".graphml or .html. May be repeated",
        dir_okay=False,
    ),
]
_Processes = Annotated[int, Opt("--n-process", "-n", min=1, help="Number of processes")]
_TextField = Annotated[str, Opt("--text-field", help="JSONL: the field of the text")]
_IdField = Annotated[str, Opt("--id-field", help="JSONL: the field of the document's id")]
_PrintTable = Annotated[bool, Opt("--table", "-T", help="Print the relations as well")]


def annotate_cli(
    model: Model,
    inputs: _Inputs,
    outputs: _Outputs,
    batch_size: BatchSize = 32,
    n_process: _Processes = 1,
    threshold: Threshold = None,
    gpu: Gpu = -1,
    text_field: _TextField = "text",
    id_field: _IdField = "id",
    table: _PrintTable = False,
    code: Code = None,
    force: Force = False,
) -> None:
    """
    Annotate documents with a trained pipeline.

    The outputs are written whole or not at all. A document that cannot be annotated is
    reported and left out; the exit status is then 1.
    """
    from ..annotate.engine import annotate
    from ..annotate.inputs import list_files, read_inputs

    _check_paths(inputs, outputs)
    refuse_existing(outputs, force)
    use_gpu(gpu)
    import_code(code)
    nlp = load_extracting_pipeline(model, threshold)
    # Listed before the outputs exist, which may be in one of the folders.
    written = {output.resolve() for output in outputs}
    files = [file for file in list_files(inputs) if file.resolve() not in written]
    items = read_inputs(files, nlp.vocab, text_field=text_field, id_field=id_field)
    results = annotate(nlp, items, batch_size=batch_size, n_process=n_process)
    with exit_on_error(f"Cannot write {', '.join(map(str, outputs))}"):
        failures = _write(outputs, results, table)
    if failures:
        msg.fail(f"{failures} documents were left out", exits=1)


def _check_paths(inputs: List[Path], outputs: List[Path]) -> None:
    """Exit where the format of an output is not known or not installed, or an input is missing."""
    from ..annotate.inputs import STDIN
    from ..annotate.outputs import choose_output

    for output in outputs:
        with exit_on_error(f"Cannot write {output}"):
            choose_output(output)
    missing = [str(path) for path in inputs if str(path) != STDIN and not path.exists()]
    if missing:
        msg.fail(f"Not there: {', '.join(missing)}", exits=1)


def _write(
    outputs: List[Path],
    results: "Iterable[Union[Tuple[Doc, InputDocument], Failure]]",
    table: bool,
) -> int:
    """Write the documents, and count those that have failed."""
    from ..annotate.inputs import Failure
    from ..annotate.outputs import choose_output
    from ..files import written_whole

    documents = relations = failures = 0
    with written_whole(outputs) as written, ExitStack() as stack:
        files = []
        for output in outputs:
            files.append(choose_output(output)(written[output]))
            stack.callback(files[-1].close)
        for result in tqdm(results, unit=" documents", disable=None):
            if isinstance(result, Failure):
                failures += 1
                msg.warn(f"Left out: {result.id}", result.problem)
                continue
            documents += 1
            doc, source = result
            relations += len(doc._.relations)
            for file in files:
                file.write(doc, source)
            if table:
                _print_table(doc, source.id)
    names = ", ".join(map(str, outputs))
    msg.good(f"{names}: {documents} documents, {relations} relations")
    return failures


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
