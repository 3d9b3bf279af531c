"""A folder of annotated documents, which is written part by part. If a run ends early, the next run
continues it: see `OutputFolder`."""

import os
import re
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any, Deque, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from spacy.util import minibatch
from spacy.vocab import Vocab

from ..files import GivenNames, UniqueNames, is_temporary, path_text, written_whole
from ..stored import get_triples
from .batch import Item, Result
from .inputs import START, Failure, Listing, Place, read_inputs, read_items
from .made_from import MadeFrom, refuse_changed
from .manifest import Counts, Manifest, PartRecord
from .outputs import choose_output

# Hidden, so that programs that read all files of a folder do not read it as documents.
MANIFEST = ".manifest.sqlite"
_CAN_BE_READ = "It can be read now. To annotate its documents, start afresh with --force."
# The place of a document, and its result.
_Placed = Tuple[Place, Result]
_PART = re.compile(r"part-[0-9]+\.\w+")


@dataclass
class _ReadPart:
    """A part whose inputs are being read.

    names (Dict[str, int]): The names that its documents have asked for, and how often each name has
        been asked for in all.
    end (Place): How far the inputs have been read.
    """

    names: Dict[str, int] = field(default_factory=dict)
    end: Place = START


class OutputFolder:
    """A folder of annotated documents. A run takes these steps:

    1. `check` compares the inputs and settings of the run with those of the folder;
    2. `begin` prepares the folder;
    3. `batches` reads the documents that are in no part yet;
    4. an engine annotates them (see `engine.py`);
    5. `write` writes the results into parts.

    `failed_batches` and `write_again` do the same for documents that failed before. Documents that
    work now go to further parts.

    A part has the results of up to `part_size` documents, in order. A part gets its name once it is
    whole. It counts for the next run once the manifest has recorded it.

    path (Path): The folder, which is created.
    suffix (str): The ending of the parts, which sets their format.
    part_size (int): The most documents in a part.
    RAISES (OSError): If the folder cannot be written, or another process is writing it.
    RAISES (ValueError): If the path is no folder, or a folder with files but without a manifest.
    """

    def __init__(self, path: Path, suffix: str, part_size: int) -> None:
        if path.exists() and (not path.is_dir() or _is_foreign(path)):
            raise ValueError(
                f"{path} exists, and is no folder of annotated documents to continue. Name another "
                "folder, or an empty one."
            )
        self.path = path
        self.suffix = suffix
        self.part_size = part_size
        path.mkdir(parents=True, exist_ok=True)
        self.manifest = Manifest(path / MANIFEST)
        self._made_from = self.manifest.made_from()
        self._listing = Listing()
        # Parts that are read and not yet written: a few, since engines read ahead.
        self._read: Deque[_ReadPart] = deque()
        # The places of their documents, or of documents that are tried again.
        self._places: Deque[Place] = deque()

    def close(self) -> None:
        """Release the folder for other processes. If nothing was begun, an empty folder is
        removed."""
        if self._made_from is None:
            (self.path / MANIFEST).unlink(missing_ok=True)
        self.manifest.close()
        if not any(self.path.iterdir()):
            self.path.rmdir()

    @property
    def made_from(self) -> Optional[MadeFrom]:
        """RETURNS (Optional[MadeFrom]): The inputs and settings of the folder; None if nothing was
        begun."""
        return self._made_from

    @property
    def counts(self) -> Counts:
        """RETURNS (Counts): The contents of the folder."""
        return self.manifest.counts

    @property
    def is_complete(self) -> bool:
        """RETURNS (bool): Whether a run has finished the folder."""
        return self.manifest.is_complete

    def check(self, made_from: MadeFrom) -> None:
        """Compare the inputs and settings of a run with those of the folder. A folder without parts
        always passes.

        made_from (MadeFrom): The inputs and settings of the run.
        RAISES (ValueError): If the folder has other inputs or settings, or a part is damaged.
        """
        if self._made_from is None or not self.counts.parts:
            return
        remedy = "Name another folder, or start afresh with --force."
        if differences := self._made_from.differences(made_from):
            raise ValueError(
                f"{self.path} has other inputs or settings: {'; '.join(differences)}. {remedy}"
            )
        for name, size in self.manifest.parts():
            file = self.path / name
            if not file.is_file() or file.stat().st_size != size:
                raise ValueError(
                    f"{file} is missing, or has changed since it was written. {remedy}"
                )

    def begin(self, made_from: MadeFrom, listing: Listing, *, afresh: bool) -> None:
        """Prepare the folder for `batches` and `write`.

        made_from (MadeFrom): The inputs and settings of the run.
        listing (Listing): The inputs.
        afresh (bool): Whether to delete existing parts.
        """
        if afresh or not self.counts.parts:
            self.manifest.begin(made_from)
        recorded = {name for name, _ in self.manifest.parts()}
        for file in self.path.iterdir():
            if _is_part(file) and file.name not in recorded:
                file.unlink()
        self._made_from = made_from
        self._listing = listing

    def batches(self, vocab: Vocab, batch_size: int, **settings: Any) -> Iterator[Sequence[Item]]:
        """Read the documents that are in no part yet. No batch has documents of two parts. So a
        batch has the same documents in every run.

        vocab (Vocab): The vocabulary of documents that are not text.
        batch_size (int): The most documents in a batch.
        settings (Any): Further arguments of `read_items`.
        YIELDS (Sequence[Item]): The documents, and those that cannot be read.
        """
        names = UniqueNames(_Names(self.manifest, self._read))
        start = place = self.manifest.end
        if self.manifest.ended_files().get(place.file) == place:
            # The rest of this file is a failure, even if it can be read now.
            start = Place(place.file + 1)
        items = read_inputs(self._listing, vocab, start=start, names=names, **settings)
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
        self, vocab: Vocab, batch_size: int, **settings: Any
    ) -> Iterator[Sequence[Item]]:
        """Read the failed documents again. Arguments as in `batches`. A failed file whose documents
        are gone is no failure any more.

        YIELDS (Sequence[Item]): The documents, and those that still cannot be read.
        """
        items = read_items(self._listing, vocab, **settings)
        for batch in minibatch(self._failed(items), batch_size):
            self._places += [item.place for item in batch]
            yield batch

    def _failed(self, items: Iterable[Item]) -> Iterator[Item]:
        """Choose the documents that have failed before. All documents get the names of the first
        run. The first run gave no names to the documents of a file that it could not read. They
        stay left out, but for the one document of a file of text."""
        names = UniqueNames()
        ended = self.manifest.ended_files()
        left, empty = self.counts.failures, set(ended.values())
        for item, after in pairwise(chain(items, [Failure("", "")])):
            if not left:
                return
            place = item.place
            end = ended.get(place.file)
            if end is not None and (place == end or (isinstance(item, Failure) and item.ends_file)):
                empty.discard(end)
            if end is not None and place > end:
                continue
            is_whole = True
            if place == end:
                file = path_text(self._listing.files[place.file - 1])
                is_whole = item.id == file and after.place.file != place.file
                item.id = file
            item.id = names.give(item.id)
            if self.manifest.has_failed(item.id, place):
                left -= 1
                if is_whole:
                    yield item
                else:
                    self.manifest.fails_again(Failure(item.id, _CAN_BE_READ, place))
        self.manifest.forget(empty)

    def write(self, results: Iterable[Result]) -> Iterator[Result]:
        """Write documents, part by part.

        results (Iterable[Result]): The results for the documents of `batches`, in order.
        YIELDS (Result): The result of each document; a failure if the document cannot be written.
        RAISES (OSError): If a part cannot be written.
        RAISES (ValueError): If an input has changed since the run began.
        """
        placed = self._with_places(results)
        number = self.counts.parts
        for first in placed:
            yield from self._write_part(number, chain([first], islice(placed, self.part_size - 1)))
            number += 1
        self.manifest.finish()

    def write_again(self, results: Iterable[Result]) -> Iterator[Result]:
        """Write the documents of `failed_batches` that work now. Arguments and errors as in
        `write`.

        YIELDS (Result): The result of each document; a failure if the document fails again.
        """
        was_complete = self.is_complete
        self.manifest.reopen()
        placed = self._with_places(results)
        for place, first in placed:
            if isinstance(first, Failure):
                # A failure begins no part.
                self.manifest.fails_again(first)
                yield first
            else:
                yield from self._write_further_part(
                    chain([(place, first)], islice(placed, self.part_size - 1))
                )
        if was_complete:
            self.manifest.finish()

    def _with_places(self, results: Iterable[Result]) -> Iterator[_Placed]:
        """Add the place of each document. Results come in the order in which documents are read."""
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
        """Refuse a part if its inputs have changed: nobody knows which version the part has."""
        assert self._made_from is not None
        files = slice(max(0, start.file - 1), end.file)
        refuse_changed(self._listing.files[files], self._made_from.inputs[files])


class _Names(GivenNames):
    """The names that documents have asked for. The manifest has the names of written parts. New
    names are noted for the part that is read last."""

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
    """Whether a file is a part, or half of one from a killed run."""
    return _PART.fullmatch(file.name) is not None or (
        is_temporary(file) and file.name.startswith(".part-")
    )
