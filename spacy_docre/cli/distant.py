"""`python -m spacy docre distant`: label documents with the facts of a knowledge base."""

from pathlib import Path
from typing import TYPE_CHECKING, AbstractSet, Annotated, Dict, Iterator, Optional, Tuple

import typer
from spacy.cli._util import Arg, Opt
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ._options import DocsWithEntities, Force, Names
from ._shared import (
    exit_on_error,
    refuse_existing,
    refuse_output_within,
    report_earlier,
    with_progress,
)
from ._terminal import msg

if TYPE_CHECKING:
    from ..data.knowledge_base import KnowledgeBase

_Facts = Annotated[
    Path,
    Arg(
        metavar="KB",
        help="The facts: .csv, .tsv, .txt, .jsonl or .nt, also packed as .gz; or, with "
        "--from-gold, .spacy",
        exists=True,
    ),
]
_Output = Annotated[Path, Arg(metavar="OUT", help="The .spacy file to write, or a folder")]
_FromGold = Annotated[
    bool, Opt("--from-gold", help="Take the facts from the relations of annotated documents")
]
_OnlyNamed = Annotated[
    bool, Opt("--only-named", help="Leave out relations that are not in --names")
]


def distant_cli(
    data: DocsWithEntities,
    facts: _Facts,
    output: _Output,
    from_gold: _FromGold = False,
    names_path: Names = None,
    only_named: _OnlyNamed = False,
    force: Force = False,
) -> None:
    """
    Label documents with the facts of a knowledge base. The documents have entities already.

    A fact holds between two entities if it holds between any of their names, or between the ids
    that an entity linker has set. Spaces and case of names are ignored. A fact is a line of head,
    relation and tail. In .csv and .tsv, the first line names the columns: head, relation, tail; or
    head_id, relation, tail_id. In .jsonl, these are the keys. Lines of .nt hold ids, as in
    Wikidata.

    If OUT is a folder, an interrupted run continues when you start it again.
    """
    from ..data.corpus_files import read_spacy_docs, write_corpus
    from ..data.docred import read_relation_names
    from ..files import file_stamps

    if only_named and names_path is None:
        raise typer.BadParameter("--only-named needs --names, the relations to keep.")
    refuse_output_within(data, output)
    refuse_existing([output], force)
    with exit_on_error(f"Cannot label {data}"):
        given = {} if names_path is None else read_relation_names(names_path)
        # The stamps are taken before the files are read, as a file may change while it is read.
        made_from = {
            "documents": file_stamps(data),
            "facts": file_stamps(facts),
            "names": given,
            "only_named": only_named,
        }
        knowledge, known = _read_knowledge(facts, given.keys() if only_named else None, from_gold)
        names = {**known, **given}

        def read(start: int) -> Iterator[Doc]:
            report_earlier(start)
            for doc in with_progress(read_spacy_docs(data, Vocab(), start), start):
                knowledge.align(doc, names)
                yield doc

        counts = write_corpus(output, read, made_from)
    msg.good(
        f"{output}: {counts.documents} documents, {counts.relations} relations by "
        f"{len(knowledge)} facts"
    )
    if counts.without_relations:
        msg.info(
            f"{counts.without_relations} documents have no relations: no fact links their entities"
        )
    if counts.not_annotated:
        msg.warn(
            f"{counts.not_annotated} documents are not labelled, as they have no entities",
            "Set doc.ents or the span group 'entities' in them first.",
        )


def _read_knowledge(
    path: Path, relations: Optional[AbstractSet[str]], from_gold: bool
) -> "Tuple[KnowledgeBase, Dict[str, str]]":
    """Read the facts, and the readable names of relations in annotated documents."""
    from ..annotations import has_relations
    from ..data.corpus_files import read_spacy_docs
    from ..data.facts import read_knowledge_base
    from ..data.knowledge_base import KnowledgeBase
    from ..stored import get_triples

    names: Dict[str, str] = {}
    if not from_gold:
        return read_knowledge_base(path, relations), names
    knowledge = KnowledgeBase(relations)
    annotated = False
    for doc in read_spacy_docs(path, Vocab()):
        knowledge.add_document(doc)
        for triple in get_triples(doc):
            names[triple.label] = triple.name or names.get(triple.label, "")
        annotated = annotated or has_relations(doc)
    if not annotated:
        raise ValueError(
            f"{path} has no facts, as it has no document with annotated relations. When you save "
            "documents, keep doc._.relations: DocBin(store_user_data=True)."
        )
    return knowledge, names
