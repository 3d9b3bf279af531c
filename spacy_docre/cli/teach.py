"""`python -m spacy docre teach`: a teacher's logits of documents, for distillation."""

from pathlib import Path
from time import perf_counter
from typing import Annotated, Optional

from spacy.cli._util import Arg, Opt, setup_gpu
from spacy.vocab import Vocab
from tqdm import tqdm
from wasabi import msg

from ..data.corpus_files import read_docs
from ..distillation.storing import Progress, store_logits
from ..pipeline.teacher import TeacherPipeline

# Of so many documents size and time are projected: DocRED's distant set has about as many.
MANY = 100_000


def teach_cli(
    model: Annotated[str, Arg(help="The teacher: a pipeline with a relation extractor")],
    data: Annotated[
        Path, Arg(metavar="DOCS", help=".spacy file, or folder of them, with entities", exists=True)
    ],
    output: Annotated[
        Path, Arg(metavar="OUT", help="Folder to write the logits to", file_okay=False)
    ],
    top_k: Annotated[
        Optional[int],
        Opt("--top-k", "-k", help="Store TH and so many relations of each pair, the best", min=1),
    ] = None,
    use_gpu: Annotated[int, Opt("--gpu-id", "-g", help="GPU, or -1 for the processor")] = -1,
    force: Annotated[
        bool, Opt("--force", "-F", help="Begin anew where OUT holds logits of another teacher")
    ] = False,
) -> None:
    """
    Store a teacher's logits of every pair of entities, for [corpora.train] teacher_logits.

    A run that is broken off goes on where it stopped when it is started again.
    """
    setup_gpu(use_gpu)
    progress = Progress()
    start = perf_counter()
    try:
        with tqdm(unit=" documents", leave=False) as bar:
            teacher, docs = TeacherPipeline(model), read_docs(data, Vocab())
            for progress in store_logits(
                teacher, docs, output, checksum=teacher.checksum, top_k=top_k, force=force
            ):
                bar.update(progress.documents - bar.n)
    except (OSError, ValueError) as error:
        msg.fail(f"Cannot store the logits of {model}", error, exits=1)
    _report(progress, output, perf_counter() - start)


def _report(progress: Progress, output: Path, seconds: float) -> None:
    new = progress.new
    msg.good(f"{output} has the logits of {progress.documents} documents")
    if progress.known:
        msg.text(f"Of {progress.known} it had them before")
    if progress.repeated:
        msg.warn(f"{progress.repeated} documents are there more than once")
    if progress.without_pairs:
        msg.warn(
            f"{progress.without_pairs} documents have fewer than two entities",
            "Entities are read from what 'docre convert' stores, the span group 'entities', or "
            "doc.ents.",
        )
    if new:
        msg.text(
            f"New: {new} documents, {progress.bytes / 1e6:,.1f} MB, {seconds:,.0f} s. At this rate "
            f"{MANY:,} take {MANY * progress.bytes / new / 1e9:.2g} GB and "
            f"{MANY * seconds / new / 3600:.2g} h"
        )
