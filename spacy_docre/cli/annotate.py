"""`python -m spacy docre annotate`: annotate documents with relations."""

import os
from contextlib import ExitStack, closing
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Dict, Iterable, List, Optional

import typer
from spacy.cli._util import Arg, Opt, import_code
from spacy.util import minibatch

from ._options import BatchSize, Code, Force, Gpu, Model, Threshold
from ._results import report
from ._shared import (
    exit_on_error,
    load_extracting_pipeline,
    refuse_existing,
    refuse_given,
    use_gpu,
    with_progress,
)
from ._terminal import msg

if TYPE_CHECKING:
    from ..annotate.batch import Result
    from ..annotate.engine import Engine
    from ..annotate.folder import OutputFolder
    from ..annotate.inputs import Listing
    from ..annotate.made_from import MadeFrom
    from ..annotate.output_file import Output

# The largest number of left-out files that are listed one by one.
_MOST = 20
# The characters that mark the name of a folder at its end.
_SLASHES = tuple(filter(None, ("/", os.sep, os.altsep)))


class EngineName(str, Enum):
    local = "local"
    ray = "ray"


_Inputs = Annotated[
    List[Path],
    Arg(
        help="Files: .txt, .md, .html, .docx or .pdf with one text each; .jsonl, .csv, .tsv, "
        ".parquet or .arrow with a text in each line or row; .spacy; DocRED's .json; folders of "
        "such files, also of the library datasets; or - for a text on standard input"
    ),
]
_Outputs = Annotated[
    # As text, since a Path loses the slash at its end.
    List[str],
    Opt(
        *("--output", "-o"),
        metavar="<path>",
        help="File to write. Its ending is the format: .jsonl, .parquet, .csv, .spacy, .nt, .ttl, "
        ".jsonld, .graphml or .html. May be repeated. A name without an ending, or with a slash "
        "at the end, is a folder, which grows part by part",
    ),
]
_Format = Annotated[
    Optional[str],
    Opt("--format", "-f", help="Folder: the format of its parts. The default is .jsonl"),
]
_PartSize = Annotated[
    int, Opt("--part-size", min=1, help="Folder: largest number of documents in a part")
]
_Retry = Annotated[
    bool,
    Opt(
        "--retry",
        help="Folder: try failed documents again, for example after you freed memory or installed "
        "a package. Documents that now work go to new parts",
    ),
]
_Processes = Annotated[int, Opt("--n-process", "-n", min=1, help="Number of processes")]
_EngineName = Annotated[
    EngineName, Opt("--engine", help="Where documents are annotated: here, or on a Ray cluster")
]
_RayAddress = Annotated[
    Optional[str],
    Opt("--ray-address", help="Ray: address of the cluster. By default, Ray is started here"),
]
_NumActors = Annotated[
    Optional[int],
    Opt("--num-actors", min=1, help="Ray: number of actors. By default, as many as fit"),
]
_GpusPerActor = Annotated[
    float, Opt("--gpus-per-actor", min=0, help="Ray: GPUs of each actor, 0.5 for half a GPU")
]
_TextField = Annotated[str, Opt("--text-field", help="The field or column of the text")]
_IdField = Annotated[str, Opt("--id-field", help="The field or column of the document's id")]
_MaxSize = Annotated[
    int, Opt("--max-size", min=1, help="Largest size of a text, a line or a row, in MB")
]
_PrintTable = Annotated[bool, Opt("--table", "-T", help="Print the relations, too")]


def annotate_cli(
    ctx: typer.Context,
    model: Model,
    inputs: _Inputs,
    names: _Outputs,
    batch_size: BatchSize = 32,
    n_process: _Processes = 1,
    threshold: Threshold = None,
    gpu: Gpu = -1,
    text_field: _TextField = "text",
    id_field: _IdField = "id",
    max_size: _MaxSize = 16,
    table: _PrintTable = False,
    code: Code = None,
    format: _Format = None,
    part_size: _PartSize = 1000,
    retry: _Retry = False,
    force: Force = False,
    engine: _EngineName = EngineName.local,
    ray_address: _RayAddress = None,
    num_actors: _NumActors = None,
    gpus_per_actor: _GpusPerActor = 0.0,
) -> None:
    """
    Annotate documents with a trained pipeline.

    Files are written whole or not at all. A folder gets part after part: an interrupted run
    continues when you start it again. Hidden files in folders are left out. A document that
    cannot be read, annotated or written is reported and left out. The exit status is then 1.
    """
    outputs = list(map(Path, names))
    folder = _folder_among(names)
    suffix = f".{(format or 'jsonl').lstrip('.')}"
    _check_formats([folder / f"part{suffix}"] if folder else outputs, is_file=folder is None)
    if folder is None:
        refuse_given(ctx, ("format", "part_size", "retry"), "outputs that are files")
        refuse_existing(outputs, force)
    elif force:
        refuse_given(ctx, ("retry",), "--force, which starts over")
    chosen = _choose_engine(ctx)
    use_gpu(gpu)
    import_code(code)
    # Before the outputs exist, as an output may be in a folder of the inputs.
    listing = _list_inputs(inputs, outputs)
    if folder is not None:
        _refuse_streams(listing)
    if not listing.has_fields:
        refuse_given(ctx, ("text_field", "id_field"), "inputs without fields or columns")
    reading = {"text_field": text_field, "id_field": id_field, "max_bytes": max_size * 2**20}
    run = _Run(listing, model, threshold, code, reading, batch_size, chosen, table, retry, force)
    with exit_on_error(f"Cannot write {', '.join(names)}"):
        if folder is None:
            failures = _annotate_to_files(outputs, run)
        else:
            failures = _annotate_to_folder(folder, suffix, part_size, run)
    if failures:
        msg.fail(f"{failures} documents were left out", exits=1)


@dataclass
class _Run:
    """The choices of the options, for files and for folders."""

    listing: "Listing"
    model: str
    threshold: Optional[float]
    code: Optional[Path]
    reading: Dict[str, Any]
    batch_size: int
    engine: "Engine"
    table: bool
    retry: bool
    force: bool


def _folder_among(outputs: List[str]) -> Optional[Path]:
    """Find the output that is a folder, or that will be one. A folder must be the only output, as a
    continued run does not see the documents of earlier runs, and could not write them to files."""
    folders = [Path(output) for output in outputs if _is_folder(output)]
    if folders and len(outputs) > 1:
        raise typer.BadParameter(
            f"{folders[0]} is a folder, and a folder must be the only output. Write other outputs "
            "in separate runs."
        )
    return folders[0] if folders else None


def _is_folder(output: str) -> bool:
    from ..files import is_stream

    path = Path(output)
    if output.endswith(_SLASHES) or os.path.isdir(path):
        return True
    return not (path.suffix or output == "-" or is_stream(path))


def _check_formats(outputs: List[Path], is_file: bool) -> None:
    """Exit if the format of an output is unknown, or if its package is not installed."""
    from ..annotate.outputs import choose_output

    for output in outputs:
        is_dotted = output.suffix and is_file
        hint = f" For a folder whose name has a dot, add a slash: {output}/" if is_dotted else ""
        with exit_on_error(f"Cannot write {output}", hint):
            choose_output(output)


def _choose_engine(ctx: typer.Context) -> "Engine":
    """Choose the engine that annotates. Exit if it is not installed, and refuse options of the
    other engine."""
    options = ctx.params
    if options["engine"] == EngineName.local:
        from ..annotate.engine import annotate_batches

        refuse_given(ctx, ("ray_address", "num_actors", "gpus_per_actor"), "--engine local")
        return partial(annotate_batches, n_process=options["n_process"])
    from ..annotate.annotator import Annotator
    from ..annotate.ray_engine import annotate_on_ray
    from ..extras import import_extra

    refuse_given(ctx, ("n_process", "gpu"), "--engine ray: see --num-actors, --gpus-per-actor")
    with exit_on_error("Cannot annotate on Ray"):
        import_extra("ray")
    gpus = options["gpus_per_actor"]
    settings = {"threshold": options["threshold"], "code": options["code"]}
    return partial(
        annotate_on_ray,
        # Ray shows an actor only its own GPUs.
        annotator=Annotator(options["model"], gpu_id=0 if gpus else -1, **settings),
        num_actors=options["num_actors"],
        gpus_per_actor=gpus,
        address=options["ray_address"],
    )


def _list_inputs(inputs: List[Path], outputs: List[Path]) -> "Listing":
    """Find the input files, without the outputs, and report the files that are left out. Exit if an
    input is missing, is an output, or is in an output."""
    from ..annotate.inputs import STDIN, Failure, list_files
    from ..files import path_text

    written = {os.path.realpath(output) for output in outputs}
    given = [path for path in inputs if str(path) != STDIN]
    missing = [path_text(path) for path in given if not os.path.exists(path)]
    if missing:
        msg.fail(f"Inputs not found: {', '.join(missing)}", exits=1)

    def is_output(path: Path) -> bool:
        real = Path(os.path.realpath(path))
        return any(str(place) in written for place in (real, *real.parents))

    both = [path_text(path) for path in given if is_output(path)]
    if both:
        msg.fail(f"Both input and output: {', '.join(both)}", "Name another output.", exits=1)
    listing = list_files(inputs)
    own = [file for file in listing.files if is_output(file)]
    listing.files = [file for file in listing.files if file not in set(own)]
    aside = [*listing.aside, *(Failure(path_text(file), "It is an output.") for file in own)]
    for failure in aside[:_MOST]:
        msg.info(f"Not read: {failure.id}", failure.problem)
    if len(aside) > _MOST:
        msg.info(f"Not read: {len(aside) - _MOST} more")
    return listing


def _refuse_streams(listing: "Listing") -> None:
    """Exit if an input can be read only once."""
    from ..annotate.inputs import STDIN
    from ..files import is_stream

    for file in listing.files:
        if str(file) == STDIN or is_stream(file):
            msg.fail(
                f"{file} can be read only once, but an interrupted run must read it again",
                "Save the text in a file first, or name a file as the output.",
                exits=1,
            )


def _annotate_to_files(outputs: List[Path], run: _Run) -> int:
    """Annotate all documents, and count the failed documents."""
    from ..annotate.inputs import read_inputs
    from ..files import written_whole

    with written_whole(outputs) as written:
        nlp = load_extracting_pipeline(run.model, run.threshold)
        items = read_inputs(run.listing, nlp.vocab, **run.reading)
        results = run.engine(nlp, minibatch(items, run.batch_size))
        return _write(outputs, written, results, run.table)


def _annotate_to_folder(path: Path, suffix: str, part_size: int, run: _Run) -> int:
    """Annotate the documents that are in no part yet, and count the failed documents of this run
    and of earlier runs."""
    from ..annotate.folder import OutputFolder

    with closing(OutputFolder(path, suffix, part_size)) as folder:
        made_from = _look_at(folder, run)
        if not run.force:
            folder.check(made_from)
        retry = run.retry and folder.counts.failures > 0
        steps = [(folder.failed_batches, folder.write_again)] if retry else []
        if run.force or not folder.is_complete:
            steps.append((folder.batches, folder.write))
        if steps:
            nlp = load_extracting_pipeline(run.model, run.threshold)
            folder.begin(made_from, run.listing, afresh=run.force)
        _report_earlier(folder, with_failures=not retry)
        for read, write in steps:
            batches = read(nlp.vocab, run.batch_size, **run.reading)
            results = write(run.engine(nlp, batches))
            for result in with_progress(results, folder.counts.documents):
                report(result, run.table, with_failures=not retry)
        if retry:
            # Files that could not be read are reported, too. Their documents are not known.
            for failure in folder.manifest.failures():
                report(failure)
        counts = folder.counts
    msg.good(
        f"{path}: {counts.documents} documents, {counts.relations} relations in {counts.parts} "
        f"parts"
    )
    return counts.failures


def _look_at(folder: "OutputFolder", run: _Run) -> "MadeFrom":
    """Describe all that the documents of a folder depend on."""
    from ..annotate.made_from import MadeFrom, look_at_inputs, model_digest
    from ..files import file_digest

    with exit_on_error(f"Cannot load {run.model}"):
        model = model_digest(run.model)
    settings = {
        "the model": model,
        "--format": folder.suffix,
        "--part-size": folder.part_size,
        "--threshold": run.threshold,
        "--code": None if run.code is None else file_digest(run.code),
        "what cannot be read": [f"{each.id}: {each.problem}" for each in run.listing.failures],
        **run.reading,
    }
    return MadeFrom(look_at_inputs(run.listing.files, folder.made_from), settings)


def _report_earlier(folder: "OutputFolder", with_failures: bool) -> None:
    """Report the documents of earlier runs."""
    for failure in folder.manifest.failures() if with_failures else ():
        report(failure)
    if folder.counts.parts:
        state = "All" if folder.is_complete else "Continuing:"
        msg.info(f"{state} {folder.counts.documents} documents are there from earlier runs")


def _write(
    outputs: List[Path], written: Dict[Path, Path], results: "Iterable[Result]", table: bool
) -> int:
    """Write the documents, and count the failed documents."""
    from ..annotate.inputs import Failure
    from ..annotate.outputs import choose_output
    from ..files import path_text
    from ..stored import get_triples

    documents = relations = failures = 0
    with ExitStack() as stack:
        files: Dict[Path, Output] = {}
        for output in outputs:
            files[output] = choose_output(output)(written[output])
            stack.callback(files[output].close)
        for result in with_progress(results):
            report(result, table)
            if isinstance(result, Failure):
                failures += 1
                continue
            doc, source = result
            problems = {path: file.try_to_write(doc, source) for path, file in files.items()}
            complete = not any(problems.values())
            for path, problem in problems.items():
                if problem is not None:
                    msg.warn(f"Left out of {path_text(path)}: {source.id}", problem)
            failures += not complete
            documents += complete
            relations += len(get_triples(doc)) if complete else 0
    names = ", ".join(map(str, outputs))
    msg.good(f"{names}: {documents} documents, {relations} relations")
    return failures
