"""`python -m spacy docre calibrate`: turn the scores of a trained pipeline into probabilities."""

from pathlib import Path
from statistics import geometric_mean
from typing import Annotated

from spacy.cli._util import Arg
from spacy.vocab import Vocab

from ._options import BatchSize, Code, FindEntities, Force, Gold, Gpu, Lang, Model
from ._shared import pipeline_to_change, score_gold
from ._terminal import msg

_Output = Annotated[
    Path, Arg(metavar="OUT", help="Folder for the calibrated pipeline", file_okay=False)
]


def calibrate_cli(
    model: Model,
    gold_path: Gold,
    output: _Output,
    find_entities: FindEntities = False,
    lang: Lang = "en",
    batch_size: BatchSize = 32,
    gpu: Gpu = -1,
    code: Code = None,
    force: Force = False,
) -> None:
    """
    Calibrate the scores of a pipeline: nine in ten triples with a score of 0.9 are then right.

    GOLD should be documents that the pipeline was not trained on. The command also scores short
    passages of the documents. The scores change, and the threshold changes with them, so that the
    documents keep their relations. Shorter documents may get more relations.
    """
    from ..evaluation.calibration import fit, reliability, with_cuts
    from ..evaluation.gold import GoldSet, read_gold
    from ..models.calibration import LONG
    from ..pipeline.components import relation_extractors
    from ..pipeline.settings import set_everywhere
    from ..words import count_words

    title = f"Cannot calibrate {model}"
    with pipeline_to_change(model, output, code=code, gpu=gpu, force=force, title=title) as nlp:
        docs = read_gold(gold_path, Vocab(), lang=lang).docs
        gold = GoldSet(with_cuts(docs), [], [])
        num_words = {title: count_words(doc) for title, doc in gold.docs.items()}
        triples, scores = score_gold(
            nlp, gold, with_gold_entities=not find_entities, batch_size=batch_size
        )
        calibration = fit(
            [*scores.values()],
            [triple in triples for triple in scores],
            [num_words[triple.document] for triple in scores],
        )
        extractor = relation_extractors(nlp)[-1]
        typical = round(geometric_mean(num_words[title] or 1 for title in docs))
        stored = extractor.calibrate(calibration, typical)
        set_everywhere(nlp, extractor, "threshold", extractor.cfg["threshold"])
    error = reliability(triples, scores).error
    msg.good(f"Saved the calibrated pipeline in {output}")
    msg.text(
        "The score of a margin m in a document of n words is now "
        f"sigmoid({stored.scale:.3f} m + ({stored.shift:.3f}) + ({stored.slope:.3f}) log n), where "
        f"more than {LONG} words count as {LONG}. The threshold is "
        f"{extractor.cfg['threshold']:.3f}. Before, the calibration error was {error:.3f}."
    )
