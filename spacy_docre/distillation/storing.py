"""Store a teacher's logits for a set of documents."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Optional, Set

from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch

from ..alignment import GoldAlignment
from ..entity_sources import gold_entities
from .store import (
    DOCUMENTS_PER_LOGITS_FILE,
    document_digest,
    documents_in,
    logits_files,
    read_index,
    write_index,
    write_logits,
)
from .teacher import Teacher
from .teacher_logits import TeacherLogits

# The number of documents that the teacher reads at once. Their attention is in memory.
BATCH_SIZE = 32


@dataclass
class Progress:
    """The progress of storing logits.

    documents (int): Documents that have logits now.
    known (int): Documents whose logits were stored by an earlier run.
    new (int): Documents that this run has asked the teacher about.
    without_pairs (int): Documents with fewer than two entities, which have no pairs.
    repeated (int): Documents that are the same as another. Their logits are stored once.
    bytes (int): Size of the files that this run has written.
    """

    documents: int = 0
    known: int = 0
    new: int = 0
    without_pairs: int = 0
    repeated: int = 0
    bytes: int = 0


def store_logits(
    teacher: Teacher,
    docs: Iterable[Doc],
    path: Path,
    *,
    checksum: str,
    top_k: Optional[int] = None,
    force: bool = False,
) -> Iterator[Progress]:
    """Store a teacher's logits, one file after the other. Logits that an earlier run has stored
    stay as they are.

    teacher (Teacher): The teacher.
    docs (Iterable[Doc]): The documents, with entities. They are read once.
    path (Path): The folder to write to.
    checksum (str): Distinguishes the teacher from others.
    top_k (Optional[int]): Store TH and this number of relations for each pair, the best ones; None
        for all.
    force (bool): Whether to start over if the folder holds logits of another teacher, with another
        `top_k`, or without evidence, as an earlier version stored them.
    YIELDS (Progress): The progress, after each batch.
    RAISES (ValueError): If the folder holds such logits and `force` is not set, or if a file in it
        is damaged.
    """
    _begin(path, {"labels": list(teacher.labels), "top_k": top_k, "teacher": checksum}, force)
    files = logits_files(path)
    known: Set[str] = {digest for file in files for digest in documents_in(file)}
    number = 1 + max((int(file.stem) for file in files), default=-1)
    progress = Progress()
    seen: Set[str] = set()
    waiting: Dict[str, TeacherLogits] = {}
    for batch in minibatch(docs, BATCH_SIZE):
        new: Dict[str, GoldAlignment] = {}
        for doc in batch:
            # The teacher is asked about the gold entities themselves.
            alignment = GoldAlignment(Example(doc, doc), gold_entities(doc))
            digest = document_digest(doc, alignment.predicted)
            progress.documents += 1
            progress.without_pairs += len(alignment.predicted) < 2
            if digest in seen:
                progress.repeated += 1
            elif digest in known:
                progress.known += 1
            else:
                progress.new += 1
                new[digest] = alignment
            seen.add(digest)
        for digest, logits in zip(new, teacher.logits([*new.values()]), strict=True):
            waiting[digest] = logits if top_k is None else logits.best(top_k)
        if len(waiting) >= DOCUMENTS_PER_LOGITS_FILE:
            progress.bytes += write_logits(path, number, waiting).stat().st_size
            number += 1
            waiting = {}
        yield progress
    if waiting:
        progress.bytes += write_logits(path, number, waiting).stat().st_size
    yield progress


def _begin(path: Path, index: Dict[str, Any], force: bool) -> None:
    """Write the index of a new store, or check that the old index is the same."""
    # A store has evidence for all its documents, or for none.
    index = {**index, "evidence": True}
    earlier = read_index(path)
    if earlier == index:
        return
    if logits_files(path) and not force:
        known = earlier or {}
        if {**known, "evidence": True} == index:
            other = "without evidence"
        elif {**known, "evidence": True, "top_k": index["top_k"]} == index:
            other = "with another top_k"
        else:
            other = "of another teacher"
        raise ValueError(
            f"{path} holds logits {other}. Start over with --force, or name another folder."
        )
    for file in logits_files(path):
        file.unlink()
    write_index(path, index)
