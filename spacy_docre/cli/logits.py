"""`python -m spacy docre logits`: store a teacher's logits for distillation."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, List, Optional

from spacy.cli._util import Arg, Opt, import_code
from spacy.vocab import Vocab
from tqdm import tqdm

from ._options import Code, DocsWithEntities, Gpu, StartOver
from ._shared import exit_on_error, use_gpu
from ._terminal import msg

if TYPE_CHECKING:
    from ..distillation.storing import Progress

# The number of documents for which size and time are projected: about DocRED's distant set.
MANY = 100_000

_Teacher = Annotated[str, Arg(help="The teacher: a pipeline with a relation extractor")]
_More = Annotated[
    Optional[List[str]],
    Opt(
        "--and",
        metavar="MODEL",
        help="A further teacher. The mean of all teachers is stored. May be repeated",
    ),
]
_Output = Annotated[Path, Arg(metavar="OUT", help="Folder to write the logits to", file_okay=False)]
_TopK = Annotated[
    Optional[int],
    Opt(
        *("--top-k", "-k"),
        min=1,
        help="For each pair, store the threshold class and this number of best relations",
    ),
]


def logits_cli(
    model: _Teacher,
    data: DocsWithEntities,
    output: _Output,
    more: _More = None,
    top_k: _TopK = None,
    gpu: Gpu = -1,
    code: Code = None,
    force: StartOver = False,
) -> None:
    """
    Store a teacher's logits for all pairs of entities, for [corpora.train] teacher_logits.

    An interrupted run continues when you start it again.
    """
    from ..data.corpus_files import read_spacy_docs
    from ..distillation.storing import store_logits
    from ..distillation.teacher import MeanTeacher
    from ..pipeline.teacher_pipeline import TeacherPipeline

    use_gpu(gpu, silent=False)
    import_code(code)
    start = perf_counter()
    with exit_on_error(f"Cannot store the logits of {model}"):
        teachers = [TeacherPipeline(name) for name in (model, *(more or ()))]
        teacher = teachers[0] if len(teachers) == 1 else MeanTeacher(*teachers)
        stored = store_logits(
            teacher,
            read_spacy_docs(data, Vocab()),
            output,
            checksum=" ".join(teacher.checksum for teacher in teachers),
            top_k=top_k,
            force=force,
        )
        with tqdm(unit=" documents", leave=False) as bar:
            for progress in stored:
                bar.update(progress.documents - bar.n)
    _report(progress, output, perf_counter() - start)


def _report(progress: "Progress", output: Path, seconds: float) -> None:
    msg.good(f"{output} has the logits of {progress.documents} documents")
    if progress.known:
        msg.text(f"{progress.known} of these are from earlier runs")
    if progress.repeated:
        msg.warn(f"{progress.repeated} documents occur more than once")
    if progress.without_pairs:
        msg.warn(
            f"{progress.without_pairs} documents have fewer than two entities",
            "Entities are read from doc._.entities, which 'docre convert' stores, from the span "
            "group 'entities', or from doc.ents.",
        )
    if progress.new:
        size = MANY * progress.bytes / progress.new / 1e9
        hours = MANY * seconds / progress.new / 3600
        msg.text(
            f"New: {progress.new} documents, {progress.bytes / 1e6:,.1f} MB, {seconds:,.0f} s. "
            f"At this rate, {MANY:,} documents take {size:.2g} GB and {hours:.2g} h"
        )
