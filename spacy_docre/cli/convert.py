"""`python -m spacy docre convert`: convert annotated files to `.spacy` files, or to a tool's."""

from dataclasses import astuple, fields
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Dict, Iterable, Iterator, List, Mapping, Optional

import typer
from spacy.cli._util import Arg, Opt
from spacy.tokens import Doc
from spacy.training.corpus import FILE_TYPE
from spacy.util import get_lang_class
from spacy.vocab import Vocab

from ._options import Force, Lang, Names
from ._shared import (
    exit_on_error,
    refuse_existing,
    refuse_given,
    refuse_output_within,
    report_earlier,
    with_progress,
)
from ._terminal import msg

if TYPE_CHECKING:
    from ..data.formats import Writer
    from ..data.stats import CorpusCounts

REST = "rest"


class Format(str, Enum):
    auto = "auto"
    docred = "docred"
    hacred = "hacred"
    annotated = "annotated"
    spacy = "spacy"
    prodigy = "prodigy"
    label_studio = "label-studio"
    doccano = "doccano"
    brat = "brat"
    pubtator = "pubtator"


class OutputFormat(str, Enum):
    spacy = "spacy"
    prodigy = "prodigy"
    label_studio = "label-studio"
    doccano = "doccano"
    brat = "brat"


_Input = Annotated[
    Path,
    Arg(
        metavar="INPUT",
        help="File to convert; or a folder: of brat, of .spacy files, or of docre annotate",
        exists=True,
    ),
]
_Output = Annotated[
    Path,
    Arg(
        metavar="OUTPUT",
        help="The .spacy file to write; or a folder, with --split or for a large data set; or the "
        "file or folder of a tool, with --to",
    ),
]
_InputFormat = Annotated[
    Format,
    Opt(
        *("--format", "-f", "--from"),
        help="The format of INPUT. auto: found by the ending and the first records. annotated: "
        "the .jsonl or .parquet of docre annotate",
    ),
]
_OutputFormat = Annotated[
    OutputFormat, Opt("--to", "-t", help="The tool in which you will correct the documents")
]
_CorefLabel = Annotated[
    str, Opt("--coref-label", help="Tools: the label of relations that are coreference")
]
_ByText = Annotated[
    bool,
    Opt(
        "--by-text/--by-coref",
        help="Tools: mentions with the same text and label are one entity; or only mentions that "
        "coreference or an id connects, e.g. if father and son have the same name",
    ),
]
_Split = Annotated[
    List[str],
    Opt(
        *("--split", "-s"),
        metavar="NAME=SIZE",
        help="Write the next SIZE documents (or 'rest') to NAME.spacy in OUTPUT. NAME may hold a "
        "folder. May be repeated. Documents with the same text stay together",
    ),
]
_Partial = Annotated[
    bool,
    Opt(
        "--partial",
        help="The relations are right, but incomplete: a relation that is not listed is unknown, "
        "and not wrong",
    ),
]
_Seed = Annotated[Optional[int], Opt("--seed", help="Shuffle the documents before the split")]


def convert_cli(
    ctx: typer.Context,
    input_path: _Input,
    output_path: _Output,
    format: _InputFormat = Format.auto,
    to: _OutputFormat = OutputFormat.spacy,
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
    Convert annotated documents to .spacy files with entities and relations, or to the format of a
    tool. You can correct the documents in the tool, and convert them back.

    Inputs are DocRED's and Re-DocRED's JSON (a list, or a document in each line), HacRED, the
    output of docre annotate, and the formats of Prodigy, Label Studio, doccano, brat and PubTator,
    also packed as .gz. To write several files: --split train=400 --split dev=rest. For a large data
    set, name an OUTPUT without .spacy: it is a folder of several files, which are read as one. An
    interrupted run then continues when you start it again.
    """
    from ..data.corpus_files import write_corpus
    from ..data.docred import read_relation_names
    from ..data.formats import FORMATS, ReadSettings, check_kind, tell_format
    from ..files import file_stamps

    sizes = _parse_sizes(split)
    _check_output(output_path, to, bool(sizes), seed, partial)
    outputs = {name: output_path / f"{name}{FILE_TYPE}" for name in sizes} or {"": output_path}
    refuse_existing(outputs.values(), force)
    with exit_on_error(f"Cannot read {input_path}"):
        told = tell_format(input_path) if format == Format.auto else format.value
        check_kind(input_path, told)
    _check_format(ctx, told, to, input_path, output_path)
    hint = "" if format != Format.auto else f" {input_path} is read as {told}: see --format."
    with exit_on_error(f"Cannot convert {input_path}", hint):
        get_lang_class(lang)  # A file does not store its language: this finds a typo in --lang.
        names = read_relation_names(names_path) if names_path else {}
        settings = ReadSettings(names, lang, coref_label, by_text)

        def read(start: int) -> Iterable[Doc]:
            report_earlier(start)
            docs = with_progress(FORMATS[told].read(input_path, Vocab(), settings, start), start)
            return _marked(docs) if partial else docs

        write = FORMATS[to.value].write
        if write is not None:
            counts = _write_tool(write, output_path, read(0), coref_label)
        elif sizes:
            counts = _write_parts(list(read(0)), outputs, sizes, seed)
        else:
            made_from = {"input": file_stamps(input_path), "format": told, "partial": partial}
            made_from |= settings.plain()
            counts = {output_path: write_corpus(output_path, read, made_from)}
    _report(input_path, counts, settings.answers)


def _check_format(
    ctx: typer.Context, told: str, to: OutputFormat, input_path: Path, output_path: Path
) -> None:
    from ..data.formats import FORMATS, OPTIONS, TOOL_OPTIONS

    if told in ("spacy", "annotated", to.value):
        # The next time, what is written would be read, too, or in the place of the input.
        refuse_output_within(input_path, output_path)
    written = FORMATS[to.value].options & TOOL_OPTIONS
    refuse_given(ctx, OPTIONS - FORMATS[told].options - written, f"a file read as {told}")


def _check_output(
    path: Path, to: OutputFormat, has_sizes: bool, seed: Optional[int], partial: bool
) -> None:
    if seed is not None and not has_sizes:
        raise typer.BadParameter("--seed shuffles documents for --split. Add --split.")
    if to == OutputFormat.spacy:
        if path.suffix in (".json", ".jsonl"):
            raise typer.BadParameter(f"Name the tool for {path} with --to.")
        return
    for option, given in (("--split", has_sizes), ("--partial", partial)):
        if given:
            raise typer.BadParameter(f"{option} has no meaning with --to. Leave it out.")


def _write_tool(
    write: "Writer", path: Path, docs: Iterable[Doc], coref_label: str
) -> "Dict[Path, CorpusCounts]":
    from ..data.stats import CorpusCounts

    counts = CorpusCounts()

    def counted() -> Iterator[Doc]:
        for doc in docs:
            counts.add(doc)
            yield doc

    write(path, counted(), coref_label)
    return {path: counts}


def _marked(docs: Iterable[Doc]) -> Iterator[Doc]:
    """Mark the relations of documents as partial. Documents without annotated relations stay
    unchanged."""
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
                f"{name} has {len(parts[name])} documents instead of {size}: documents with the "
                "same text stay together"
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
    """Parse e.g. ["train=400", "dev=rest"]. The size of the rest is None."""
    sizes: Dict[str, Optional[int]] = {}
    for item in split:
        name, _, size = item.partition("=")
        path = Path(name)
        outside = path.is_absolute() or ".." in path.parts
        if not path.name or outside or not (size == REST or size.isdecimal()):
            raise typer.BadParameter(
                f"{item!r} should be NAME=SIZE. SIZE is a number or '{REST}'. NAME may hold a "
                "folder, which is made in OUTPUT."
            )
        name = str(path)
        if name in sizes:
            raise typer.BadParameter(f"Two splits have the name {name!r}. Rename one.")
        if size == REST and None in sizes.values():
            raise typer.BadParameter(f"Only one split can have the size '{REST}'.")
        sizes[name] = None if size == REST else int(size)
    return sizes
