"""`python -m spacy docre annotate`: documents to relations."""

from contextlib import ExitStack
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Iterable, List, Optional, Tuple, Union

from spacy.cli._util import Arg, Opt, setup_gpu
from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import msg

from ..annotate.engine import annotate
from ..annotate.inputs import STDIN, Failure, InputDocument, list_files, read_inputs
from ..annotate.outputs import OUTPUTS, choose_output
from ..files import written_whole
from ._shared import load_extracting_pipeline, refuse_existing

# Of a column of the table, in characters.
_WIDTH = 32


def annotate_cli(
    model: Annotated[str, Arg(help="Pipeline: a package or a folder")],
    inputs: Annotated[
        List[Path],
        Arg(help="Text files, .jsonl or .spacy files, folders, or - for standard input"),
    ],
    outputs: Annotated[
        List[Path],
        Opt(
            "--output",
            "-o",
            help=f"File to write: {', '.join(OUTPUTS)}; may be given several times",
            dir_okay=False,
        ),
    ],
    batch_size: Annotated[int, Opt("--batch-size", "-b", min=1, help="Documents at a time")] = 32,
    n_process: Annotated[int, Opt("--n-process", "-n", min=1, help="Processes")] = 1,
    threshold: Annotated[
        Optional[float],
        Opt("--threshold", "-t", min=0, max=1, help="Annotate relations of a higher probability"),
    ] = None,
    device: Annotated[int, Opt("--device", "-g", help="Number of the GPU, -1 for the CPU")] = -1,
    text_field: Annotated[str, Opt("--text-field", help="JSONL: field of the text")] = "text",
    id_field: Annotated[str, Opt("--id-field", help="JSONL: field of the document's id")] = "id",
    table: Annotated[bool, Opt("--table", "-T", help="Print the relations, too")] = False,
    force: Annotated[bool, Opt("--force", "-F", help="Overwrite the output")] = False,
) -> None:
    """
    Annotate documents with a trained pipeline.

    The outputs are written whole or not at all. A document that cannot be annotated is
    reported and left out; the exit status is then 1.
    """
    try:
        for output in outputs:
            choose_output(output)
    except (ImportError, ValueError) as error:
        msg.fail("Cannot write such an output", error, exits=1)
    refuse_existing(outputs, force)
    missing = [str(path) for path in inputs if str(path) != STDIN and not path.exists()]
    if missing:
        msg.fail(f"Not there: {', '.join(missing)}", exits=1)
    setup_gpu(device, silent=True)
    nlp = load_extracting_pipeline(model, threshold)
    # Listed before the outputs are there, which may be in one of the folders.
    written = {output.resolve() for output in outputs}
    files = [file for file in list_files(inputs) if file.resolve() not in written]
    items = read_inputs(files, nlp.vocab, text_field=text_field, id_field=id_field)
    results = annotate(nlp, items, batch_size=batch_size, n_process=n_process)
    try:
        failures = _write(outputs, results, table)
    except OSError as error:
        msg.fail(f"Cannot write {', '.join(map(str, outputs))}", error, exits=1)
    if failures:
        msg.fail(f"{failures} documents were left out", exits=1)


def _write(
    outputs: List[Path], results: Iterable[Union[Tuple[Doc, InputDocument], Failure]], table: bool
) -> int:
    """Write the documents, and count those that have failed."""
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
