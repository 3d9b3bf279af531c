"""`python -m spacy docre distant`: documents labelled with the facts of a knowledge base."""

from pathlib import Path
from typing import Annotated, Dict, Iterator, Optional

import typer
from spacy.cli._util import Arg, Opt
from spacy.tokens import Doc
from spacy.vocab import Vocab
from wasabi import msg

from ..data.corpus_files import read_docs, write_corpus
from ..data.docred import read_relation_names
from ..data.facts import read_knowledge_base
from ..data.knowledge_base import KnowledgeBase
from ..data.stats import CorpusCounts
from ..files import file_stamps
from ._shared import refuse_existing, with_progress


def distant_cli(
    data: Annotated[
        Path, Arg(metavar="DOCS", help=".spacy file, or folder of them, with entities", exists=True)
    ],
    facts: Annotated[
        Path,
        Arg(
            metavar="KB",
            help="The facts: .csv, .tsv, .txt, .jsonl or .nt, also packed as .gz; with "
            "--from-gold .spacy",
            exists=True,
        ),
    ],
    output: Annotated[Path, Arg(metavar="OUT", help="The .spacy file to write, or a folder")],
    from_gold: Annotated[
        bool, Opt("--from-gold", help="Take the facts from the relations of annotated documents")
    ] = False,
    names_path: Annotated[
        Optional[Path],
        Opt("--names", "-n", help="Readable names of the relations, as JSON", exists=True),
    ] = None,
    only_named: Annotated[
        bool, Opt("--only-named", help="Leave out relations that --names does not have")
    ] = False,
    force: Annotated[bool, Opt("--force", "-F", help="Overwrite an existing file")] = False,
) -> None:
    """
    Label documents that have entities with the facts of a knowledge base.

    A fact holds between two entities if it holds between any of their names, spaces and case
    apart, or of the ids that an entity linker has set. Facts are lines of head, relation, tail:
    names in .csv and .tsv, whose first line names the columns (head, relation, tail; or head_id,
    relation, tail_id), and in .jsonl by the same keys; ids in .nt as of Wikidata.

    Where OUT is a folder, a run that is broken off goes on after the last of its files when it is
    started again.
    """
    if only_named and names_path is None:
        raise typer.BadParameter("--only-named needs --names, the relations to keep.")
    if data.is_dir() and data.resolve() in (output.resolve(), *output.resolve().parents):
        raise typer.BadParameter("OUT is in the folder of DOCS, which would be lost. Name another.")
    refuse_existing([output], force)
    counts = CorpusCounts()

    def read(start: int) -> Iterator[Doc]:
        for doc in with_progress(read_docs(data, Vocab(), start), start):
            knowledge.align(doc, names)
            yield doc

    try:
        names: Dict[str, str] = {}
        given = {} if names_path is None else read_relation_names(names_path)
        relations = given if only_named else None
        # As they are before they are read.
        made_from = {
            "documents": file_stamps(data),
            "facts": file_stamps(facts),
            "names": given,
            "only_named": only_named,
        }
        if from_gold:
            knowledge = KnowledgeBase(relations)
            for doc in read_docs(facts, Vocab()):
                knowledge.add_document(doc)
                for relation in doc._.relations:
                    names[relation.label_] = relation.triple.name or names.get(relation.label_, "")
        else:
            knowledge = read_knowledge_base(facts, relations)
        names.update(given)
        counts = write_corpus(output, read, made_from)
    except (ImportError, OSError, ValueError) as error:
        msg.fail(f"Cannot label {data}", error, exits=1)
    msg.good(
        f"{output}: {counts.documents} documents, {counts.relations} relations by "
        f"{len(knowledge)} facts"
    )
    if counts.without_relations:
        msg.info(
            f"Of {counts.without_relations} documents no fact is known: they have no relations"
        )
