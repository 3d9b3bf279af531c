"""`python -m spacy docre calibrate`: make the scores of a trained pipeline believable."""

from pathlib import Path
from statistics import geometric_mean
from typing import Annotated

from spacy.cli._util import Arg, import_code
from spacy.vocab import Vocab

from ._options import BatchSize, Code, FindEntities, Force, Gold, Gpu, Lang, Model
from ._shared import (
    exit_on_error,
    load_extracting_pipeline,
    refuse_existing,
    score_gold,
    use_gpu,
)
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
    Calibrate the scores of a pipeline, so that of triples with score 0.9 nine in ten are right.

    GOLD should be documents that it was not trained on. Short passages of them are scored, too.
    Scores change, and the threshold with them: documents as long as those of GOLD keep their
    relations, and shorter ones may get more.
    """
    from ..evaluation.calibration import fit, reliability, with_cuts
    from ..evaluation.gold import GoldSet, read_gold
    from ..pipeline.components import relation_extractors

    refuse_existing([output], force)
    use_gpu(gpu)
    import_code(code)
    with exit_on_error(f"Cannot calibrate {model}"):
        nlp = load_extracting_pipeline(model, None)
        docs = read_gold(gold_path, Vocab(), lang=lang).docs
        gold = GoldSet(with_cuts(docs), [], [])
        triples, scores = score_gold(
            nlp, gold, with_gold_entities=not find_entities, batch_size=batch_size
        )
        calibration = fit(
            [*scores.values()],
            [triple in triples for triple in scores],
            [gold.documents[triple.document].num_words for triple in scores],
        )
        extractor = relation_extractors(nlp)[-1]
        extractor.calibrate(calibration, geometric_mean(len(doc) or 1 for doc in docs.values()))
        nlp.get_pipe_config(extractor.name)["threshold"] = extractor.cfg["threshold"]
        nlp.to_disk(output)
    error = reliability(triples, scores).error
    msg.good(f"Saved the calibrated pipeline in {output}")
    msg.text(
        f"Of a margin m in a document of n words, the score is sigmoid({calibration.scale:.3f} m + "
        f"({calibration.shift:.3f}) + ({calibration.slope:.3f}) log n) now. The threshold is "
        f"{extractor.cfg['threshold']:.3f}. Before, the calibration error was {error:.3f}."
    )
