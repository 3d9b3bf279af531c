"""The PubTator format with relations between concepts, as in BC5CDR and BioRED."""

import re
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple

from .doubts import Doubts, same_text
from .json_files import text_lines
from .text_documents import Link, TextDocument, TextMention

TEXT_LINE = re.compile(r"([^\t|]+)\|([ta])\|(.*)")
_EXPECTED = (
    "PMID|t|TITLE, PMID|a|ABSTRACT, PMID<TAB>START<TAB>END<TAB>TEXT<TAB>TYPE<TAB>ID, or "
    "PMID<TAB>RELATION<TAB>ID<TAB>ID"
)
_NO_ID = ("", "-", "-1")
# Ids of several concepts. The id of one variant has vertical bars itself: "c|DEL|1314_1328|".
_SEVERAL = re.compile(r"(?:\w+:)?[A-Za-z_]*\d+(?:\|(?:\w+:)?[A-Za-z_]*\d+|\|-1)+")


def parse_pubtator(path: Path, doubts: Doubts) -> Iterator[TextDocument]:
    """Read the documents of a PubTator file. Title and abstract are one text, with a space between.

    Mentions with the same id are one entity, which has this linked id. A mention with the ids of
    several concepts is a mention of each concept.

    path (Path): The file; it is unpacked if its name ends in ".gz" or ".zst".
    doubts (Doubts): Collects what is doubtful and what is left out.
    YIELDS (TextDocument): The documents, with their PMID as title.
    RAISES (ValueError): If a line is malformed.
    """
    lines: List[Tuple[str, str]] = []
    for where, line in text_lines(path):
        line = line.rstrip("\r\n")
        if line.strip():
            # Not every file has a blank line between documents.
            if lines and (match := TEXT_LINE.match(line)) and match[2] == "t":
                yield _Reader(lines, doubts).read()
                lines = []
            lines.append((where, line))
    if lines:
        yield _Reader(lines, doubts).read()


class _Reader:
    def __init__(self, lines: Sequence[Tuple[str, str]], doubts: Doubts) -> None:
        self.doubts = doubts
        self.lines: List[Tuple[str, List[str]]] = []
        parts: Dict[str, str] = {}
        self.pmid = ""
        for where, line in lines:
            match = TEXT_LINE.fullmatch(line)
            pmid, _, _ = line.partition("\t")
            if match is not None:
                pmid = match[1]
                if match[2] in parts:
                    raise _malformed(where, f"document {pmid} has two lines |{match[2]}|")
                parts[match[2]] = match[3]
            else:
                self.lines.append((where, line.split("\t")))
            self.pmid = self.pmid or pmid
            if pmid != self.pmid:
                raise _malformed(where, f"{pmid[:40]!r} is not {self.pmid!r}, the document's PMID")
        if "t" not in parts:
            raise _malformed(lines[0][0], f"document {self.pmid[:40]} has no title")
        text = f"{parts['t']} {parts.get('a', '')}".removesuffix(" ")
        self.document = TextDocument(lines[0][0], text, names={"title": self.pmid})
        # The first mention of each concept.
        self.concepts: Dict[str, int] = {}

    def read(self) -> TextDocument:
        relations = []
        for where, fields in self.lines:
            if len(fields) >= 5 and fields[1].isdecimal() and fields[2].isdecimal():
                self._add_mentions(where, fields)
            elif len(fields) >= 4:
                relations.append((where, fields))
            else:
                raise _malformed(where, "the line is none of these: text, mention or relation")
        for where, fields in relations:
            self._add_link(where, fields)
        return self.document

    def _add_mentions(self, where: str, fields: Sequence[str]) -> None:
        start, end, text, label = int(fields[1]), int(fields[2]), fields[3], fields[4]
        found = self.document.text[start:end]
        if not found or not same_text(found, text):
            raise _malformed(where, f"the text has {found!r} from {start} to {end}, not {text!r}")
        given = fields[5].strip() if len(fields) > 5 else ""
        ids = _concepts(given)
        if not ids:
            self.doubts.add(
                "mentions have no id, and are grouped by their text or stand alone", where
            )
            self.document.mentions.append(TextMention(start, end, label))
        if len(ids) > 1:
            self.doubts.add(
                "mentions have several ids, and are mentions of each concept", f"{where}, {given}"
            )
        for id_ in ids:
            self.concepts.setdefault(id_, len(self.document.mentions))
            self.document.mentions.append(TextMention(start, end, label, id_, is_concept=True))

    def _add_link(self, where: str, fields: Sequence[str]) -> None:
        label, *ends = fields[1:4]
        if not label:
            raise _malformed(where, "the relation has no type")
        if "".join(fields[4:]).strip():
            self.doubts.add(
                "relations have further fields, which are left out", f"{where}, {fields[4]}"
            )
        missing = [id_ for id_ in ends if id_ not in self.concepts]
        if missing:
            self.doubts.add(
                "relations name concepts that no mention has, and are left out",
                f"{where}, {missing[0]}",
            )
            return
        assert self.document.links is not None
        self.document.links.append(Link(self.concepts[ends[0]], self.concepts[ends[1]], label))


def _concepts(given: str) -> List[str]:
    """The ids of a mention, if there are any."""
    separator = "|" if _SEVERAL.fullmatch(given) else ","
    return [part for part in dict.fromkeys(given.split(separator)) if part not in _NO_ID]


def _malformed(where: str, problem: str) -> ValueError:
    return ValueError(f"{where}: {problem}. A line should be {_EXPECTED}.")
