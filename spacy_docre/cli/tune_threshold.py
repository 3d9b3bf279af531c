"""`python -m spacy docre tune-threshold`: set the threshold with the best F1 on annotated
documents."""

from pathlib import Path
from typing import Annotated

from spacy.cli._util import Arg
from spacy.vocab import Vocab

from ._options import BatchSize, Code, FindEntities, Force, Gold, Gpu, Lang, Model
from ._shared import pipeline_to_change, score_gold
from ._terminal import msg

_Output = Annotated[
    Path, Arg(metavar="OUT", help="Folder for the pipeline with the threshold", file_okay=False)
]


def tune_threshold_cli(
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
    Set the threshold of a pipeline to the one with the best F1 on annotated documents.

    GOLD should be development documents: on training documents, any threshold is good. The scores
    do not change.
    """
    from ..evaluation.curve import precision_recall_curve
    from ..evaluation.gold import read_gold
    from ..evaluation.predict import LOWEST
    from ..pipeline.components import relation_extractors
    from ..pipeline.settings import set_everywhere

    title = f"Cannot tune the threshold of {model}"
    with pipeline_to_change(model, output, code=code, gpu=gpu, force=force, title=title) as nlp:
        extractor = relation_extractors(nlp)[-1]
        before = extractor.cfg["threshold"]
        gold = read_gold(gold_path, Vocab(), lang=lang)
        triples, scores = score_gold(
            nlp, gold, with_gold_entities=not find_entities, batch_size=batch_size
        )
        curve = precision_recall_curve(triples, scores)
        best = curve.best
        if best is None or not curve.fscore[best]:
            raise ValueError(
                "The pipeline finds no correct triple, so that no threshold is better than "
                "another. Give more documents, or train the pipeline longer."
            )
        # Candidates below LOWEST are not scored, so that the curve does not show them.
        tuned = max(float(curve.thresholds[best]), min(LOWEST, before))
        set_everywhere(nlp, extractor, "threshold", tuned)
    msg.good(f"Saved the pipeline in {output}")
    msg.text(
        f"Its threshold is now {tuned:.3f}, and was {before:.3f}. On these "
        f"documents, its F1 is {curve.fscore[best]:.3f}, precision {curve.precision[best]:.3f}, "
        f"recall {curve.recall[best]:.3f}."
    )
