"""A folder that annotated documents are written to, part after part. A run that ends in whatever
way is gone on with by the next: see `OutputFolder`."""

import os
import re
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Deque, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from spacy.util import minibatch
from spacy.vocab import Vocab

from ..files import GivenNames, UniqueNames, is_temporary, written_whole
from ..stored import get_triples
from .batch import Item, Result
from .inputs import START, Failure, Listing, Place, read_inputs
from .made_from import MadeFrom, refuse_changed
from .manifest import Counts, Manifest, PartRecord
from .outputs import choose_output

# Hidden, so that what reads all files of a folder does not take it for documents.
MANIFEST = ".manifest.sqlite"
# What has become of a document, and its place.
_Placed = Tuple[Place, Result]
_PART = re.compile(r"part-[0-9]+\.\w+")


@dataclass
class _ReadPart:
    """A part whose inputs are being read.

    names (Dict[str, int]): The names that they have asked for, and how often in all.
    end (Place): How far they have been read.
    """

    names: Dict[str, int] = field(default_factory=dict)
    end: Place = START


class OutputFolder:
    """A folder of annotated documents, and what a run does in it:

    1. `check` compares what the run is to be made from with what the folder was begun with;
    2. `begin` makes it ready;
    3. `batches` reads documents, those that are not in a part yet;
    4. an engine annotates them (see `engine.py`);
    5. `write` puts what comes of them in parts.

    `failed_batches` and `write_again` are the same for documents that have failed: what works now
    goes to further parts.

    A part is so many inputs in their order. It has its name once it is whole, and is there for the
    next run once it is recorded in the manifest.

    path (Path): The folder; it is made.
    suffix (str): The ending of its parts, which says their format.
    part_size (int): The most documents in a part.
    RAISES (OSError): If it cannot be written, or another process is writing it.
    RAISES (ValueError): If it holds what is not of this command.
    """

    def __init__(self, path: Path, suffix: str, part_size: int) -> None:
        if path.exists() and (not path.is_dir() or _is_foreign(path)):
            raise ValueError(
                f"{path} is there, and no folder of annotated documents that could be gone on "
                "with. Name another folder, or one that is empty."
            )
        self.path = path
        self.suffix = suffix
        self.part_size = part_size
        path.mkdir(parents=True, exist_ok=True)
        self.manifest = Manifest(path / MANIFEST)
        self._made_from = self.manifest.made_from()
        self._listing = Listing()
        # Those that are read and not written: a few, as engines read ahead.
        self._read: Deque[_ReadPart] = deque()
        # The places of their documents, or of those that are tried again.
        self._places: Deque[Place] = deque()

    def close(self) -> None:
        """Let other processes have the folder. Where nothing has been begun, it goes."""
        if self._made_from is None:
            (self.path / MANIFEST).unlink(missing_ok=True)
        self.manifest.close()
        if not any(self.path.iterdir()):
            self.path.rmdir()

    @property
    def made_from(self) -> Optional[MadeFrom]:
        """RETURNS (Optional[MadeFrom]): What it was begun with; None where it was not."""
        return self._made_from

    @property
    def counts(self) -> Counts:
        """RETURNS (Counts): What is in it."""
        return self.manifest.counts

    @property
    def is_complete(self) -> bool:
        """RETURNS (bool): Whether a run has come to its end."""
        return self.manifest.is_complete

    def check(self, made_from: MadeFrom) -> None:
        """Compare what a run is to be made from with what there is. Where no part is there, all
        is well.

        made_from (MadeFrom): What it is to be made from.
        RAISES (ValueError): If the folder was begun with anything else, or a part is damaged.
        """
        if self._made_from is None or not self.counts.parts:
            return
        remedy = "Name another folder, or start it afresh with --force."
        if differences := self._made_from.differences(made_from):
            raise ValueError(
                f"{self.path} was begun with something else: {'; '.join(differences)}. {remedy}"
            )
        for name, size in self.manifest.parts():
            file = self.path / name
            if not file.is_file() or file.stat().st_size != size:
                raise ValueError(f"{file} is gone, or has changed since it was written. {remedy}")

    def begin(self, made_from: MadeFrom, listing: Listing, *, afresh: bool) -> None:
        """Make ready for `batches` and `write`.

        made_from (MadeFrom): What the documents are made from.
        listing (Listing): The inputs.
        afresh (bool): Whether to drop the parts that are there.
        """
        if afresh or not self.counts.parts:
            self.manifest.begin(made_from)
        recorded = {name for name, _ in self.manifest.parts()}
        for file in self.path.iterdir():
            if _is_part(file) and file.name not in recorded:
                file.unlink()
        self._made_from = made_from
        self._listing = listing

    def batches(
        self, vocab: Vocab, batch_size: int, **settings: object
    ) -> Iterator[Sequence[Item]]:
        """Read the documents that are in no part yet. No batch has documents of two parts, so that
        it has the same documents in whatever run.

        vocab (Vocab): The vocabulary of documents that are not text.
        batch_size (int): The most documents in a batch.
        settings (object): Further arguments of `read_inputs`.
        YIELDS (Sequence[Item]): The documents, and those that cannot be read.
        """
        names = UniqueNames(_Names(self.manifest, self._read))
        place = self.manifest.end
        items = read_inputs(self._listing, vocab, start=place, names=names, **settings)  # type: ignore[arg-type]
        while True:
            part = _ReadPart(end=place)
            self._read.append(part)
            for batch in minibatch(islice(items, self.part_size), batch_size):
                self._places += [item.place for item in batch]
                part.end = batch[-1].place
                yield batch
            if part.end == place:
                self._read.remove(part)
                return
            place = part.end

    def failed_batches(
        self, vocab: Vocab, batch_size: int, **settings: object
    ) -> Iterator[Sequence[Item]]:
        """Read the documents again that are left out of all parts. Arguments as in `batches`.

        YIELDS (Sequence[Item]): The documents, and those that cannot be read still.
        """
        items = read_inputs(self._listing, vocab, **settings)  # type: ignore[arg-type]
        failed = (item for item in items if self.manifest.has_failed(item.id, item.place))
        for batch in minibatch(islice(failed, self.counts.failures), batch_size):
            self._places += [item.place for item in batch]
            yield batch

    def write(self, results: Iterable[Result]) -> Iterator[Result]:
        """Write documents, part by part.

        results (Iterable[Result]): What has become of the documents of `batches`, in their order.
        YIELDS (Result): What has become of each; a failure where it cannot be written.
        RAISES (OSError): If a part cannot be written.
        RAISES (ValueError): If an input has changed since the run has begun.
        """
        placed = self._with_places(results)
        number = self.counts.parts
        for first in placed:
            yield from self._write_part(number, chain([first], islice(placed, self.part_size - 1)))
            number += 1
        self.manifest.finish()

    def write_again(self, results: Iterable[Result]) -> Iterator[Result]:
        """Write those documents of `failed_batches` that work now. Arguments and errors as in
        `write`.

        YIELDS (Result): What has become of each; a failure where it is left out still.
        """
        was_complete = self.is_complete
        self.manifest.reopen()
        placed = self._with_places(results)
        for place, first in placed:
            if isinstance(first, Failure):
                # It begins no part.
                self.manifest.fails_again(first)
                yield first
            else:
                yield from self._write_further_part(
                    chain([(place, first)], islice(placed, self.part_size - 1))
                )
        if was_complete:
            self.manifest.finish()

    def _with_places(self, results: Iterable[Result]) -> Iterator[_Placed]:
        """Results come in the order in which documents are read."""
        for result in results:
            place = self._places.popleft()
            yield place, replace(result, place=place) if isinstance(result, Failure) else result

    def _write_part(self, number: int, placed: Iterator[_Placed]) -> Iterator[Result]:
        part = self._new_part(number)
        with written_whole([part.file]) as written:
            for _, result in self._fill(part, written[part.file], placed):
                if isinstance(result, Failure):
                    part.failures.append(result)
                yield result
            read = self._read[0]
            part.end = read.end
            self._refuse_changed(self.manifest.end, read.end)
        self.manifest.add(part, read.names)
        # Now the manifest knows the names.
        self._read.popleft()

    def _write_further_part(self, placed: Iterator[_Placed]) -> Iterator[Result]:
        part = self._new_part(self.counts.parts)
        part.end = self.manifest.end
        mended: List[Place] = []
        with written_whole([part.file]) as written:
            for place, result in self._fill(part, written[part.file], placed):
                if isinstance(result, Failure):
                    self.manifest.fails_again(result)
                else:
                    mended.append(place)
                yield result
            self._refuse_changed(START, Place(len(self._listing.files)))
        if mended:
            self.manifest.add(part, mended=mended)
        else:
            part.file.unlink()

    def _new_part(self, number: int) -> PartRecord:
        file = self.path / f"part-{number:06}{self.suffix}"
        return PartRecord(number, file, 0, 0, [], START)

    def _fill(self, part: PartRecord, file: Path, placed: Iterator[_Placed]) -> Iterator[_Placed]:
        """Write documents, and count them."""
        with closing(choose_output(part.file)(file)) as output:
            for place, result in placed:
                if not isinstance(result, Failure):
                    doc, source = result
                    if problem := output.try_to_write(doc, source):
                        result = Failure(source.id, problem, place)
                    else:
                        part.documents += 1
                        part.relations += len(get_triples(doc))
                yield place, result

    def _refuse_changed(self, start: Place, end: Place) -> None:
        """Where the inputs of a part have changed, nobody knows what is in it."""
        assert self._made_from is not None
        files = slice(max(0, start.file - 1), end.file)
        refuse_changed(self._listing.files[files], self._made_from.inputs[files])


class _Names(GivenNames):
    """The names that all documents have asked for: those of parts are in the manifest, others are
    noted for the part that is read last."""

    def __init__(self, manifest: Manifest, read: Deque[_ReadPart]) -> None:
        self._manifest = manifest
        self._read = read

    def __contains__(self, name: object, /) -> bool:
        return isinstance(name, str) and self._times(name) is not None

    def __getitem__(self, name: str, /) -> int:
        times = self._times(name)
        if times is None:
            raise KeyError(name)
        return times

    def __setitem__(self, name: str, times: int, /) -> None:
        self._read[-1].names[name] = times

    def _times(self, name: str) -> Optional[int]:
        for part in reversed(self._read):
            if name in part.names:
                return part.names[name]
        return self._manifest.times(name)


def _is_foreign(folder: Path) -> bool:
    names = os.listdir(folder)
    return bool(names) and MANIFEST not in names


def _is_part(file: Path) -> bool:
    """Whether it is one, or half of one, from a run that has been killed."""
    return _PART.fullmatch(file.name) is not None or (
        is_temporary(file) and file.name.startswith(".part-")
    )
