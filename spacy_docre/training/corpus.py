"""The corpus that training reads."""

import random
from itertools import chain, islice
from pathlib import Path
from typing import Callable, Iterable, Iterator, List, Optional, Union

from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from ..data.corpus_files import read_spacy_docs, spacy_files
from ..data.gold_annotations import make_example
from ..distillation.store import open_store
from ..entity_sources import gold_entities

Corpus = Callable[[Language], Iterable[Example]]
Augmenter = Callable[[Language, Example], Iterator[Example]]


def make_corpus(
    path: Optional[Union[str, Path]],
    limit: int = 0,
    shuffle: bool = False,
    teacher_logits: Optional[Union[str, Path]] = None,
    augmenter: Optional[Augmenter] = None,
) -> Corpus:
    """Read `.spacy` files, for training and evaluation with gold entities.

    Unlike spaCy's own corpus, it sets the gold entities on the predicted documents and keeps empty
    documents. It never splits a document, since relations cross sentences.

    path (Optional[Union[str, Path]]): A file, or a folder with files.
    limit (int): The number of documents to read; 0 for all.
    shuffle (bool): Whether to shuffle the files of a folder, and the documents within each file, in
        each epoch. With [training] max_epochs = -1, only one file at a time is in memory.
    teacher_logits (Optional[Union[str, Path]]): The output of `python -m spacy docre logits` for
        these documents, for a component with the setting `distillation`.
    augmenter (Optional[Callable[[Language, Example], Iterator[Example]]]): Changes the examples as
        they are read, e.g. `spacy_docre.white_space.v1`.
    RETURNS (Callable[[Language], Iterable[Example]]): Yields the examples.
    RAISES (ValueError): If there is no path; when it reads, if there is no `.spacy` file at this
        path, or if a document's teacher logits are missing, or are for other entities.
    """
    if path is None:
        raise ValueError(Errors.E913)
    folder = Path(path)

    def corpus(nlp: Language) -> Iterator[Example]:
        files = spacy_files(folder) if folder.exists() else []
        # spaCy would take a mistyped path for an empty corpus.
        if not files:
            raise ValueError(
                f"There are no documents at {folder}: it is no .spacy file, and no folder of such "
                "files. Correct the path in [paths], or write the documents with 'docre convert'."
            )
        read = _read_shuffled if shuffle else _read_in_order
        references = read(files, nlp.vocab, limit or None)
        store = None if teacher_logits is None else open_store(str(teacher_logits))
        for reference in references:
            if store is not None:
                store.attach_to(reference, gold_entities(reference))
            example = make_example(reference)
            yield from [example] if augmenter is None else augmenter(nlp, example)

    return corpus


def make_joined_corpora(*corpora: Corpus) -> Corpus:
    """`spacy_docre.JoinedCorpora.v1`: read several corpora as one, one after the other.

    Each corpus has separate settings: some documents may have a teacher, or be augmented, and
    others not. With [training] max_epochs = -1, training also goes through the corpora one after
    the other: spaCy shuffles the documents only if it has all of them in memory.

    *corpora (Callable[[Language], Iterable[Example]]): The corpora, in a config
        [corpora.train.*.NAME].
    RETURNS (Callable[[Language], Iterable[Example]]): Yields the examples of all corpora.
    RAISES (ValueError): If there are no corpora.
    """
    if not corpora:
        raise ValueError(
            "There are no corpora to join: give each a name, and a section of the config, e.g. "
            "[corpora.train.*.complete]."
        )
    return lambda nlp: chain.from_iterable(corpus(nlp) for corpus in corpora)


def _read_in_order(files: List[Path], vocab: Vocab, limit: Optional[int]) -> Iterator[Doc]:
    docs = chain.from_iterable(read_spacy_docs(file, vocab) for file in files)
    return islice(docs, limit)


def _read_shuffled(files: List[Path], vocab: Vocab, limit: Optional[int]) -> Iterator[Doc]:
    """Shuffle the documents. With a limit, these are the first documents."""
    parts = [files] if limit else [[file] for file in files]
    random.shuffle(parts)
    for part in parts:
        docs = list(_read_in_order(part, vocab, limit))
        random.shuffle(docs)
        yield from docs
