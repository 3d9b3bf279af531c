"""The standoff format of brat: a folder where each text (.txt) has its annotations (.ann)."""

import re
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Sequence, Tuple

from spacy.tokens import Doc

from ..annotations import document_title
from ..files import UniqueNames, find_files
from ..folders import folder_written_whole
from .doubts import Doubts, same_text
from .json_files import read_text, text_lines
from .text_documents import Link, TextDocument, TextMention, text_documents

_TEXT, _ANNOTATIONS = ".txt", ".ann"
_EXPECTED = {
    "T": "T1<TAB>LABEL START END<TAB>TEXT",
    "R": "R1<TAB>LABEL Arg1:T1 Arg2:T2",
    "*": "*<TAB>Equiv T1 T2",
    "N": "N1<TAB>Reference T1 RESOURCE:ID<TAB>NAME",
}
_IGNORED = {
    "E": "events are ignored",
    "A": "attributes are ignored",
    "M": "modifications are ignored",
    "#": "notes are ignored",
}
# The name of the resource when linked ids are written.
_RESOURCE = "kb"
# Characters that cannot be in a label of brat, or in the name of a file.
_NO_LABEL_CHARACTERS = re.compile(r"[^\w-]+")
_NO_NAME_CHARACTERS = re.compile(r"[^\w.-]+")


def parse_brat(folder: Path, doubts: Doubts) -> Iterator[TextDocument]:
    """Read the documents of a brat folder and of its subfolders.

    A normalisation gives its mention a linked id, which follows the name of the resource. The
    title of a document is its path in the folder.

    folder (Path): The folder.
    doubts (Doubts): Collects what is doubtful and what is ignored.
    YIELDS (TextDocument): The documents. Mentions that an equivalence connects are one entity.
    RAISES (ValueError): If a line is malformed, or a text or its annotations are missing.
    """
    files = find_files(folder)
    if files.failures:
        path, problem = next(iter(files.failures.items()))
        raise ValueError(f"{path} cannot be read. {problem}")
    found = [path for path in files.files if path.suffix in (_TEXT, _ANNOTATIONS)]
    if not found:
        raise ValueError(f"{folder} has no {_TEXT} and {_ANNOTATIONS} files of brat.")
    for path in found:
        partner = path.with_suffix(_TEXT if path.suffix == _ANNOTATIONS else _ANNOTATIONS)
        if partner not in found:
            raise ValueError(
                f"{path} has no {partner.name} beside it. brat has a text and its annotations in "
                f"two files of one name. An empty {_ANNOTATIONS} means that there are none."
            )
        if path.suffix == _TEXT:
            title = str(path.relative_to(folder).with_suffix(""))
            yield _Reader(partner, read_text(path), doubts).read(title)


class _Reader:
    def __init__(self, path: Path, text: str, doubts: Doubts) -> None:
        self.path = path
        self.text = text
        self.doubts = doubts
        self.index: Dict[str, int] = {}
        self.document = TextDocument(str(path), text)

    def read(self, title: str) -> TextDocument:
        by_kind: Dict[str, List[Tuple[str, List[str]]]] = {kind: [] for kind in _EXPECTED}
        for where, line in text_lines(self.path):
            line = line.rstrip("\r\n")
            kind = line[:1]
            if kind in by_kind:
                by_kind[kind].append((where, line.split("\t", 2)))
            elif kind in _IGNORED:
                self.doubts.add(_IGNORED[kind], where)
            elif line.strip():
                raise ValueError(
                    f"{where}: {line[:40]!r} is not a line of brat. Its lines begin with one of "
                    f"{' '.join([*_EXPECTED, *_IGNORED])}."
                )
        # A line may name mentions of later lines.
        for where, fields in by_kind["T"]:
            self._add_mention(where, fields)
        for where, fields in by_kind["R"]:
            self._add_link(where, fields)
        for where, fields in by_kind["*"]:
            self._add_equivalence(where, fields)
        for where, fields in by_kind["N"]:
            self._add_id(where, fields)
        self.document.names["title"] = title
        return self.document

    def _malformed(self, where: str, kind: str, problem: str) -> ValueError:
        return ValueError(f"{where}: {problem}. It should be {_EXPECTED[kind]}.")

    def _add_mention(self, where: str, fields: Sequence[str]) -> None:
        match = re.fullmatch(r"(\S+) (\d+ \d+(?:;\d+ \d+)*)", fields[1] if len(fields) > 2 else "")
        if match is None:
            raise self._malformed(where, "T", "it is no mention")
        numbers = [tuple(map(int, part.split())) for part in match[2].split(";")]
        parts = [self.text[start:end] for start, end in numbers]
        if not all(parts) or not same_text(" ".join(parts), fields[2]):
            raise self._malformed(
                where, "T", f"the text has {' '.join(parts)!r} there, not {fields[2]!r}"
            )
        if fields[0] in self.index:
            raise self._malformed(where, "T", f"{fields[0]} occurs twice")
        start, end = min(start for start, _ in numbers), max(end for _, end in numbers)
        if not same_text(self.text[start:end], "".join(parts)):
            self.doubts.add(
                "mentions are discontinuous, and are taken from first to last character",
                f"{where}, {fields[2]!r}",
            )
        self.index[fields[0]] = len(self.document.mentions)
        self.document.mentions.append(TextMention(start, end, match[1]))

    def _add_link(self, where: str, fields: Sequence[str]) -> None:
        match = re.fullmatch(r"(\S+) [^\s:]+:(\S+) [^\s:]+:(\S+)\s*", "\t".join(fields[1:]))
        if match is None:
            raise self._malformed(where, "R", "it is no relation")
        label, *ends = match.groups()
        if any(end.startswith("E") for end in ends):
            self.doubts.add("relations connect events, and are ignored", where)
            return
        head, tail = (self._mention(where, "R", end) for end in ends)
        assert self.document.links is not None
        self.document.links.append(Link(head, tail, label))

    def _add_equivalence(self, where: str, fields: Sequence[str]) -> None:
        kind, *ends = fields[1].split() if len(fields) > 1 else [""]
        if kind != "Equiv" or not ends:
            raise self._malformed(where, "*", "it is no equivalence")
        first, *others = (self._mention(where, "*", end) for end in ends)
        self.document.same += [(first, other) for other in others]

    def _add_id(self, where: str, fields: Sequence[str]) -> None:
        match = re.fullmatch(r"\S+ (\S+) [^\s:]+:(\S+)", fields[1] if len(fields) > 1 else "")
        if match is None:
            raise self._malformed(where, "N", "it is no normalisation")
        if match[1].startswith("E"):
            self.doubts.add("normalisations belong to events, and are ignored", where)
            return
        index = self._mention(where, "N", match[1])
        mention = self.document.mentions[index]
        if mention.kb_id not in ("", match[2]):
            self.doubts.add("mentions have several ids, and the first is used", where)
            return
        self.document.mentions[index] = TextMention(
            mention.start, mention.end, mention.label, match[2]
        )

    def _mention(self, where: str, kind: str, name: str) -> int:
        if name not in self.index:
            raise self._malformed(where, kind, f"there is no mention {name}")
        return self.index[name]


def write_brat(folder: Path, docs: Iterable[Doc], coref_label: str) -> None:
    """Write documents as a brat folder. A warning lists what brat cannot hold.

    Files that are in the folder already are kept, unless a written file has the same name.

    folder (Path): The folder.
    docs (Iterable[Doc]): The documents, with entities and relations.
    coref_label (str): Not used: brat has equivalences.
    """
    doubts = Doubts(folder)
    given = UniqueNames()
    with folder_written_whole(folder) as written:
        told = text_documents(docs, doubts, has_ids=True, has_unknown=False)
        for number, (doc, document) in enumerate(told):
            title = document_title(doc, number) if document.names else f"{number:05}"
            # Hidden files are not read as documents.
            name = given.give(_NO_NAME_CHARACTERS.sub("_", title)[:100].lstrip(".") or "_")
            if document.names and name != title:
                doubts.add("titles cannot be names of files, and are changed", document.where)
            files = {
                _TEXT: document.text,
                _ANNOTATIONS: "".join(f"{line}\n" for line in _lines(document, doubts)),
            }
            for suffix, text in files.items():
                (written / f"{name}{suffix}").write_bytes(text.encode("utf-8"))


def _lines(document: TextDocument, doubts: Doubts) -> Iterator[str]:
    def label(given: str) -> str:
        made = _NO_LABEL_CHARACTERS.sub("_", given)
        if made != given:
            doubts.add(
                "labels have characters that brat cannot hold", f"{given!r} becomes {made!r}"
            )
        return made

    ids = 0
    for number, mention in enumerate(document.mentions, start=1):
        text = document.text[mention.start : mention.end]
        # A line cannot hold a line break.
        parts = [
            f"{mention.start + part.start()} {mention.start + part.end()}"
            for part in re.finditer(r"[^\r\n]+", text)
        ] or [f"{mention.start} {mention.end}"]
        shown = " ".join(text.split())
        yield f"T{number}\t{label(mention.label)} {';'.join(parts)}\t{shown}"
        if re.search(r"\s", mention.kb_id):
            doubts.add("linked ids have white space, and are left out", repr(mention.kb_id))
        elif mention.kb_id:
            ids += 1
            yield f"N{ids}\tReference T{number} {_RESOURCE}:{mention.kb_id}\t{shown}"
    for number, link in enumerate(document.links or (), start=1):
        yield f"R{number}\t{label(link.label)} Arg1:T{link.head + 1} Arg2:T{link.tail + 1}\t"
    equivalent: Dict[int, List[int]] = {}
    for mention_index, first in document.same:
        equivalent.setdefault(first, [first]).append(mention_index)
    for indices in equivalent.values():
        yield f"*\tEquiv {' '.join(f'T{index + 1}' for index in indices)}"
