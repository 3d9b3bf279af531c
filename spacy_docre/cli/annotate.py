"""`python -m spacy docre annotate`: documents to relations."""

from pathlib import Path
from typing import Annotated, Iterable, List, Optional, Union, cast

from spacy.cli._util import Arg, Opt, setup_gpu
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.util import load_model
from tqdm import tqdm
from wasabi import msg

from ..annotation.annotate import AnnotatedDocument, annotate
from ..annotation.inputs import STDIN, Failure, list_files, read_inputs
from ..annotation.outputs import OUTPUTS
from ..files import written_whole

RELATION_EXTRACTOR = "doc_relation_extractor"


def annotate_cli(
    model: Annotated[str, Arg(help="Pipeline: a package or a folder")],
    inputs: Annotated[
        List[Path],
        Arg(help="Text files, .jsonl or .spacy files, folders, or - for standard input"),
    ],
    output: Annotated[
        Path, Opt("--output", "-o", help=f"File to write: {', '.join(OUTPUTS)}", dir_okay=False)
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
    force: Annotated[bool, Opt("--force", "-F", help="Overwrite the output")] = False,
) -> None:
    """
    Annotate documents with a trained pipeline.

    The output is written whole or not at all. A document that cannot be annotated is
    reported and left out; the exit status is then 1.
    """
    if output.suffix not in OUTPUTS:
        msg.fail(
            f"Unknown format of {output}", f"Name the output with {', '.join(OUTPUTS)}.", exits=1
        )
    if output.exists() and not force:
        msg.fail(f"Already there: {output}", "Overwrite it with --force.", exits=1)
    missing = [str(path) for path in inputs if str(path) != STDIN and not path.exists()]
    if missing:
        msg.fail(f"Not there: {', '.join(missing)}", exits=1)
    setup_gpu(device, silent=True)
    try:
        nlp = load_model(model)
    except (OSError, ValueError) as error:
        msg.fail(f"Cannot load {model}", error, exits=1)
    _set_threshold(nlp, model, threshold)
    # Listed before the output is there, which may be in one of the folders.
    files = [file for file in list_files(inputs) if file.resolve() != output.resolve()]
    items = read_inputs(files, nlp.vocab, text_field=text_field, id_field=id_field)
    try:
        failures = _write(output, annotate(nlp, items, batch_size=batch_size, n_process=n_process))
    except OSError as error:
        msg.fail(f"Cannot write {output}", error, exits=1)
    if failures:
        msg.fail(f"{failures} documents were left out", exits=1)


def _set_threshold(nlp: Language, model: str, threshold: Optional[float]) -> None:
    """Set it in the relation extractors, of which there must be one.

    They are told by their factory: their class would bring transformers into every spaCy
    command, which all load this package.
    """
    extractors = [
        name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory == RELATION_EXTRACTOR
    ]
    if not extractors:
        msg.fail(
            f"{model} has no relation extractor",
            f"It has: {', '.join(nlp.pipe_names) or 'nothing'}. Name a pipeline with a "
            f"{RELATION_EXTRACTOR}.",
            exits=1,
        )
    if threshold is not None:
        for name in extractors:
            cast(TrainablePipe, nlp.get_pipe(name)).cfg["threshold"] = threshold


def _write(output: Path, results: Iterable[Union[AnnotatedDocument, Failure]]) -> int:
    """Write the documents, and count those that have failed."""
    documents = relations = failures = 0
    with written_whole([output]) as written:
        file = OUTPUTS[output.suffix](written[output])
        try:
            for result in tqdm(results, unit=" documents", disable=None):
                if isinstance(result, Failure):
                    failures += 1
                    msg.warn(f"Left out: {result.id}", result.problem)
                else:
                    documents += 1
                    relations += len(result.doc._.relations)
                    file.write(result)
        finally:
            file.close()
    msg.good(f"{output}: {documents} documents, {relations} relations")
    return failures
