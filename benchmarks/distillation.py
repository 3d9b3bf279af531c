"""(d) The cost of distillation: `docre logits` compared with plain annotation, and a training step
with stored logits compared with a step without.

python benchmarks/distillation.py MODEL DOCS.spacy

The compared runs alternate in one process, so that the ratios hold even if the speed varies.
"""

import statistics
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Callable, List

import typer
from common import copies_of, machine
from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import Optimizer
from wasabi import msg

from spacy_docre.data.corpus_files import read_spacy_docs
from spacy_docre.distillation.objective import make_mse_distillation
from spacy_docre.distillation.storing import store_logits
from spacy_docre.pipeline.teacher_pipeline import TeacherPipeline
from spacy_docre.training.corpus import make_corpus
from spacy_docre.training.optimizer import make_adamw


def main(model: Path, path: Path, documents: int = 128, rounds: int = 5, batch: int = 4) -> None:
    """Measure both costs.

    model (Path): A trained pipeline.
    path (Path): A .spacy file of documents with entities and relations.
    documents (int): The number of documents.
    rounds (int): The number of rounds of annotation and storing logits, after one to warm up.
    batch (int): The number of documents in a training step.
    """
    teacher = TeacherPipeline(model)
    nlp = teacher.nlp
    store = partial(store_logits, teacher, checksum=teacher.checksum)
    references = list(islice(read_spacy_docs(path, nlp.vocab), documents))
    with tempfile.TemporaryDirectory() as folder:
        logits = Path(folder) / "logits"
        list(store(references, logits))
        examples = list(make_corpus(path, limit=documents, teacher_logits=logits)(nlp))
        annotation: List[float] = []
        storing: List[float] = []
        for number in range(rounds + 1):
            copies = copies_of([example.predicted for example in examples])
            annotation.append(seconds(lambda docs: list(nlp.pipe(docs, batch_size=32)), copies))
            fresh = Path(folder) / f"round-{number}"
            storing.append(seconds(lambda path: list(store(references, path)), fresh))
        component: Any = nlp.get_pipe("doc_relation_extractor")
        # A learning rate of zero, so that the model does not change.
        optimizer = make_adamw(0.0)
        plain: List[float] = []
        distilled: List[float] = []
        for number, group in enumerate(minibatch(examples, batch)):
            # The order alternates, since the first step finds colder caches.
            for term in (None, make_mse_distillation())[:: 1 if number % 2 else -1]:
                component.distillation = term
                times = plain if term is None else distilled
                times.append(seconds(partial(take_step, nlp, optimizer), group))
    msg.text(f"{documents} documents, {rounds} rounds; {machine()}")
    rows = [("annotation", annotation[1:], documents), ("logits", storing[1:], documents)]
    rows += [("step", plain[2:], batch), ("step with logits", distilled[2:], batch)]
    msg.table(
        [(name, f"{number / statistics.median(times):.2f}") for name, times, number in rows],
        header=("", "documents / s"),
    )
    msg.text(
        f"docre logits has {ratio(annotation[1:], storing[1:]):.2f} of the speed of annotation. A "
        f"step with logits takes {ratio(distilled[2:], plain[2:]):.2f} of the time of a step "
        "without."
    )


def take_step(nlp: Language, optimizer: Optimizer, examples: List[Example]) -> None:
    """Take a training step, as `spacy train` does."""
    nlp.update(examples, sgd=False)
    for _, component in nlp.pipeline:
        component.finish_update(optimizer)


def seconds(run: Callable[[Any], Any], argument: Any) -> float:
    """Measure the seconds of a run."""
    start = time.perf_counter()
    run(argument)
    return time.perf_counter() - start


def ratio(ours: List[float], theirs: List[float]) -> float:
    """Compute the median ratio of the times of neighbouring runs."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    typer.run(main)
