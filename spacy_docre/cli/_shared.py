"""What several commands do."""

from pathlib import Path
from typing import Iterable, Optional, cast

from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.util import load_model
from tqdm import tqdm
from wasabi import msg

from ..pipeline.components import relation_extractors


def load_extracting_pipeline(model: str, threshold: Optional[float]) -> Language:
    """Load a pipeline with a relation extractor; say so and exit where that fails.

    model (str): A package or a folder.
    threshold (Optional[float]): The threshold to set; None to keep the pipeline's own.
    RETURNS (Language): The pipeline.
    """
    try:
        nlp = load_model(model)
        extractors = relation_extractors(nlp)
    except (OSError, ValueError) as error:
        msg.fail(f"Cannot load {model}", error, exits=1)
    if threshold is not None:
        for extractor in extractors:
            cast(TrainablePipe, extractor).cfg["threshold"] = threshold
    return nlp


def refuse_existing(outputs: Iterable[Path], force: bool) -> None:
    """Exit where an output is there already, and may not be overwritten.

    outputs (Iterable[Path]): The files.
    force (bool): Whether they may be overwritten.
    """
    present = [str(path) for path in outputs if path.exists()]
    if present and not force:
        msg.fail(f"Already there: {', '.join(present)}", "Overwrite with --force.", exits=1)


def with_progress(docs: Iterable[Doc], start: int) -> Iterable[Doc]:
    """Show how many documents there are so far.

    docs (Iterable[Doc]): The documents.
    start (int): How many an earlier run has made.
    RETURNS (Iterable[Doc]): The documents.
    """
    if start:
        msg.info(f"{start:,} documents are there of a run that was broken off")
    return tqdm(docs, initial=start, unit=" documents", leave=False)
