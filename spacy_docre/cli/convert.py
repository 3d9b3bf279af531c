"""`python -m spacy docre convert`: annotated files to `.spacy` files."""

from collections import Counter
from dataclasses import astuple, fields
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Annotated, Dict, Iterable, List, Optional
from typing import Counter as CounterType

import typer
from spacy.cli._util import Arg, Opt
from spacy.tokens import Doc
from spacy.training.corpus import FILE_TYPE
from spacy.util import get_lang_class
from spacy.vocab import Vocab
from wasabi import msg

from ..data.corpus_files import split_docs, write_corpus, write_docs
from ..data.docred import read_docred, read_relation_names
from ..data.hacred import read_hacred
from ..data.json_files import unpacked_suffix
from ..data.prodigy import ACCEPT, read_prodigy
from ..data.stats import CorpusCounts
from ..files import file_stamps
from ._shared import refuse_existing, with_progress

REST = "rest"


class Format(str, Enum):
    auto = "auto"
    docred = "docred"
    prodigy = "prodigy"
    hacred = "hacred"


FORMATS = {".json": Format.docred, ".jsonl": Format.prodigy}


def convert_cli(
    input_path: Annotated[
        Path, Arg(metavar="INPUT", help="File to convert", exists=True, dir_okay=False)
    ],
    output_path: Annotated[
        Path,
        Arg(
            metavar="OUTPUT",
            help="The .spacy file to write, or a folder: of several files, or with --split",
        ),
    ],
    format: Annotated[
        Format, Opt("--format", "-f", help="auto: docred for .json, prodigy for .jsonl; or hacred")
    ] = Format.auto,
    names_path: Annotated[
        Optional[Path],
        Opt(
            "--names",
            "-n",
            help='Readable names of the relations, as JSON: {"P19": "place of birth"}, or '
            '{"P19": {"name": "place of birth"}}',
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    lang: Annotated[
        str, Opt("--lang", "-l", help="Language, for the spaces in DocRED's texts")
    ] = "en",
    coref_label: Annotated[
        str, Opt("--coref-label", help="Label of the relations in Prodigy that are coreference")
    ] = "COREF",
    split: Annotated[
        List[str],
        Opt(
            "--split",
            "-s",
            metavar="NAME=SIZE",
            help="Write the next SIZE documents (or 'rest') to NAME.spacy; may be repeated",
        ),
    ] = [],
    seed: Annotated[
        Optional[int], Opt("--seed", help="Shuffle the documents before the split")
    ] = None,
    force: Annotated[bool, Opt("--force", "-F", help="Overwrite existing files")] = False,
) -> None:
    """
    Convert annotated documents to .spacy files, with entities and relations.

    It reads the JSON of DocRED and Re-DocRED, and the JSONL of Prodigy's rel.manual and of
    HacRED, also packed as .gz. To write several files: --split train=400 --split dev=rest. A data
    set of any size goes to an OUTPUT without the ending .spacy, a folder whose files are read as
    one: a run that is broken off goes on after the last of its files when it is started again.
    """
    sizes = _parse_sizes(split)
    if seed is not None and not sizes:
        raise typer.BadParameter("It shuffles documents for --split, which is missing.")
    hint = ""
    if format == Format.auto:
        hint = " The format was told by the ending: if it is another, name it with --format."
        suffix = unpacked_suffix(input_path)
        if suffix not in FORMATS:
            msg.fail(f"Unknown format of {input_path}", "Set it with --format.", exits=1)
        format = FORMATS[suffix]
    outputs = {name: output_path / f"{name}{FILE_TYPE}" for name in sizes} or {"": output_path}
    refuse_existing(outputs.values(), force)

    answers: CounterType[str] = Counter()
    unused = 0

    def read(start: int) -> Iterable[Doc]:
        if format == Format.docred:
            docs = read_docred(input_path, Vocab(), names=names, lang=lang, start=start)
            return with_progress(docs, start)
        if format == Format.hacred:
            docs = read_hacred(input_path, Vocab(), names=names)
        else:
            docs = read_prodigy(
                input_path, Vocab(), names=names, coref_label=coref_label, answers=answers
            )
        # From the first on: these are small, and what Prodigy's users skipped is counted.
        return with_progress(islice(docs, start, None), start)

    try:
        # A file does not hold its language; this is to find a mistyped one.
        get_lang_class(lang)
        names = read_relation_names(names_path) if names_path else {}
        if sizes:
            all_docs = list(read(0))
            parts = split_docs(all_docs, sizes, seed)
            unused = len(all_docs) - sum(map(len, parts.values()))
            counts = write_docs({outputs[name]: part for name, part in parts.items()})
        else:
            made_from = {
                "input": file_stamps(input_path),
                "format": format.value,
                "names": names,
                "lang": lang,
                "coref_label": coref_label,
            }
            counts = {output_path: write_corpus(output_path, read, made_from)}
    except (ImportError, OSError, ValueError) as error:
        msg.fail(f"Cannot convert {input_path}", f"{error}{hint}", exits=1)

    msg.table(
        [(path, *astuple(count)) for path, count in counts.items()],
        header=(
            "File",
            *(field.name.replace("_", " ").capitalize() for field in fields(CorpusCounts)),
        ),
        aligns=("l", *("r" for _ in fields(CorpusCounts))),
    )
    skipped = [f"{count} {answer}" for answer, count in answers.items() if answer != ACCEPT]
    if skipped:
        msg.info(f"Skipped examples that are not accepted: {', '.join(skipped)}")
    if unused:
        msg.warn(f"{unused} documents are in no split")
    if not any(count.documents for count in counts.values()):
        msg.warn(f"{input_path} holds no document to convert")


def _parse_sizes(split: List[str]) -> Dict[str, Optional[int]]:
    """Parse ["train=400", "dev=rest"]; the size of the rest is None."""
    sizes: Dict[str, Optional[int]] = {}
    for item in split:
        name, _, size = item.partition("=")
        if not name or Path(name).name != name or not (size == REST or size.isdecimal()):
            raise typer.BadParameter(
                f"{item!r} should be NAME=SIZE, where SIZE is a number or '{REST}'."
            )
        if name in sizes:
            raise typer.BadParameter(f"There are two splits of the name {name!r}.")
        if size == REST and None in sizes.values():
            raise typer.BadParameter(f"Only one split can have the size '{REST}'.")
        sizes[name] = None if size == REST else int(size)
    return sizes
