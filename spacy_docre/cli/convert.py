"""`python -m spacy docre convert`: annotated files to `.spacy` files."""

from collections import Counter
from contextlib import suppress
from dataclasses import astuple, fields
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Dict, Iterable, Iterator, List, Mapping, Optional
from typing import Counter as CounterType

import typer
from spacy.cli._util import Arg, Opt
from spacy.tokens import Doc
from spacy.training.corpus import FILE_TYPE
from spacy.util import get_lang_class
from spacy.vocab import Vocab

from ._options import Force, Lang, Names
from ._shared import exit_on_error, refuse_existing, refuse_given, with_progress
from ._terminal import msg

if TYPE_CHECKING:
    from ..data.stats import CorpusCounts

REST = "rest"


class Format(str, Enum):
    auto = "auto"
    docred = "docred"
    prodigy = "prodigy"
    hacred = "hacred"


FORMATS = {".json": Format.docred, ".jsonl": Format.prodigy}
# Of .jsonl: fields that only the documents of another format have.
FIELDS = {"vertexSet": Format.docred, "vertex_char": Format.hacred}

_Input = Annotated[Path, Arg(metavar="INPUT", help="File to convert", exists=True, dir_okay=False)]
_Output = Annotated[
    Path,
    Arg(
        metavar="OUTPUT",
        help="The .spacy file to write; or a folder, with --split or for a large data set",
    ),
]
_InputFormat = Annotated[
    Format,
    Opt("--format", "-f", help="auto: docred for .json; for .jsonl what its first line looks like"),
]
_CorefLabel = Annotated[
    str, Opt("--coref-label", help="Prodigy: the label of relations that are coreference")
]
_ByText = Annotated[
    bool,
    Opt(
        "--by-text/--by-coref",
        help="Prodigy: spans of the same text and label are one entity; or only those that "
        "coreference connects, as where father and son have one name",
    ),
]
_Split = Annotated[
    List[str],
    Opt(
        *("--split", "-s"),
        metavar="NAME=SIZE",
        help="Write the next SIZE documents (or 'rest') to NAME.spacy, also in a folder of OUTPUT. "
        "May be repeated. Documents of the same text stay together",
    ),
]
_Partial = Annotated[
    bool,
    Opt(
        "--partial",
        help="The relations are right, but incomplete: one that is not listed is unknown, and not "
        "wrong",
    ),
]
_Seed = Annotated[Optional[int], Opt("--seed", help="Shuffle the documents before the split")]


def convert_cli(
    ctx: typer.Context,
    input_path: _Input,
    output_path: _Output,
    format: _InputFormat = Format.auto,
    names_path: Names = None,
    lang: Lang = "en",
    coref_label: _CorefLabel = "COREF",
    by_text: _ByText = True,
    partial: _Partial = False,
    split: _Split = [],
    seed: _Seed = None,
    force: Force = False,
) -> None:
    """
    Convert annotated documents to .spacy files, with entities and relations.

    It reads the JSON of DocRED and Re-DocRED, as a list or with a document in each line, and the
    JSONL of Prodigy's rel.manual and of HacRED, also packed as .gz. To write several files:
    --split train=400 --split dev=rest. A data set of any size goes to an OUTPUT without the ending
    .spacy, a folder whose files are read as one: a run that was broken off goes on after the last
    of its files when it is started again.
    """
    from ..data.corpus_files import write_corpus
    from ..data.docred import read_relation_names
    from ..files import file_stamps

    sizes = _parse_sizes(split)
    if seed is not None and not sizes:
        raise typer.BadParameter("It shuffles documents for --split, which is missing.")
    outputs = {name: output_path / f"{name}{FILE_TYPE}" for name in sizes} or {"": output_path}
    refuse_existing(outputs.values(), force)
    answers: CounterType[str] = Counter()
    with exit_on_error(f"Cannot read {input_path}"):
        told = _tell_format(input_path) if format == Format.auto else format
    if told != Format.prodigy:
        refuse_given(ctx, ("coref_label", "by_text"), f"a file read as {told.value}")
    hint = "" if told == format else f" {input_path} is read as {told.value}: see --format."
    with exit_on_error(f"Cannot convert {input_path}", hint):
        # A file does not hold its language; this is to find a mistyped one.
        get_lang_class(lang)
        names = read_relation_names(names_path) if names_path else {}
        settings: Dict[str, Any] = {
            "names": names,
            "lang": lang,
            "coref_label": coref_label,
            "by_text": by_text,
        }

        def read(start: int) -> Iterable[Doc]:
            docs = _read(input_path, told, start, answers, **settings)
            return _marked(docs) if partial else docs

        if sizes:
            counts = _write_parts(list(read(0)), outputs, sizes, seed)
        else:
            made_from = {"input": file_stamps(input_path), "format": told.value, **settings}
            made_from["partial"] = partial
            counts = {output_path: write_corpus(output_path, read, made_from)}
    _report(input_path, counts, answers)


def _tell_format(path: Path) -> Format:
    """The format of a file by its ending and, of .jsonl, by its first line."""
    from ..data.json_files import parse_json_items
    from ..data.packed_files import unpacked_suffix

    suffix = unpacked_suffix(path)
    if suffix not in FORMATS:
        msg.fail(f"Unknown format of {path}", "Set it with --format.", exits=1)
    first = None
    # What is wrong with a file its reader says.
    with suppress(ValueError):
        first = next(parse_json_items(path), None) if suffix == ".jsonl" else None
    for field, format in FIELDS.items():
        if isinstance(first, dict) and field in first:
            return format
    return FORMATS[suffix]


def _read(
    path: Path,
    format: Format,
    start: int,
    answers: CounterType[str],
    *,
    names: Mapping[str, str],
    lang: str,
    coref_label: str,
    by_text: bool,
) -> Iterable[Doc]:
    """The documents of a file from a number on; `answers` counts those of Prodigy's users."""
    from ..data.docred import read_docred
    from ..data.hacred import read_hacred
    from ..data.prodigy import read_prodigy

    if format == Format.docred:
        docs = read_docred(path, Vocab(), names=names, lang=lang, start=start)
        return with_progress(docs, start)
    if format == Format.hacred:
        docs = read_hacred(path, Vocab(), names=names)
    else:
        docs = read_prodigy(
            path,
            Vocab(),
            names=names,
            coref_label=coref_label,
            by_text=by_text,
            lang=lang,
            answers=answers,
        )
    # From the first on: these files are small, and what Prodigy's users skipped is counted.
    return with_progress(islice(docs, start, None), start)


def _marked(docs: Iterable[Doc]) -> Iterator[Doc]:
    """Documents whose relations, where they have been annotated, are partial."""
    from ..annotations import has_relations, mark_partial

    for doc in docs:
        if has_relations(doc):
            mark_partial(doc)
        yield doc


def _write_parts(
    docs: List[Doc],
    outputs: Mapping[str, Path],
    sizes: Mapping[str, Optional[int]],
    seed: Optional[int],
) -> "Dict[Path, CorpusCounts]":
    from ..data.corpus_files import split_docs, write_docs

    parts = split_docs(docs, sizes, seed)
    counts = write_docs({outputs[name]: part for name, part in parts.items()})
    for name, size in sizes.items():
        if size is not None and len(parts[name]) != size:
            msg.warn(
                f"{name} has {len(parts[name])} documents instead of {size}: those of the same "
                "text stay together"
            )
    unused = len(docs) - sum(map(len, parts.values()))
    if unused:
        msg.warn(f"{unused} documents are in no split")
    return counts


def _report(
    input_path: Path, counts: "Mapping[Path, CorpusCounts]", answers: Mapping[str, int]
) -> None:
    from ..data.prodigy import ACCEPT

    columns = [field.name for field in fields(next(iter(counts.values())))]
    msg.table(
        [(path, *astuple(count)) for path, count in counts.items()],
        header=("File", *(column.replace("_", " ").capitalize() for column in columns)),
        aligns=("l", *("r" for _ in columns)),
    )
    skipped = [f"{count} {answer}" for answer, count in answers.items() if answer != ACCEPT]
    if skipped:
        msg.info(f"Skipped examples that are not accepted: {', '.join(skipped)}")
    if not any(count.documents for count in counts.values()):
        msg.warn(f"{input_path} holds no document to convert")


def _parse_sizes(split: List[str]) -> Dict[str, Optional[int]]:
    """Parse ["train=400", "dev=rest"]; the size of the rest is None."""
    sizes: Dict[str, Optional[int]] = {}
    for item in split:
        name, _, size = item.partition("=")
        path = Path(name)
        outside = path.is_absolute() or ".." in path.parts
        if not path.name or outside or not (size == REST or size.isdecimal()):
            raise typer.BadParameter(
                f"{item!r} should be NAME=SIZE, where SIZE is a number or '{REST}', and NAME may "
                "be in a folder of OUTPUT."
            )
        name = str(path)
        if name in sizes:
            raise typer.BadParameter(f"There are two splits of the name {name!r}.")
        if size == REST and None in sizes.values():
            raise typer.BadParameter(f"Only one split can have the size '{REST}'.")
        sizes[name] = None if size == REST else int(size)
    return sizes
