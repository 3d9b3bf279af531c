"""`python -m spacy docre evaluate`: how good a pipeline, or a result file, is."""

import json
from pathlib import Path
from typing import Annotated, Any, Dict, Mapping, Optional, Tuple, cast

import typer
from spacy.cli._util import Arg, Opt, setup_gpu
from spacy.tokens import Doc
from spacy.vocab import Vocab
from tqdm import tqdm
from wasabi import msg

from ..data.docred import read_relation_names
from ..data.json_files import is_json
from ..evaluation.answers import Answers, above, read_answers, write_answers
from ..evaluation.evaluation import Evaluation
from ..evaluation.gold import GoldSet, read_gold
from ..evaluation.predict import predict_answers
from ..evaluation.report import to_markdown, to_page
from ..evaluation.tables import Table, comparison, summary
from ..evaluation.training_data import read_training_data
from ..extras import import_extra
from ..files import written_whole
from ..pipeline.components import relation_extractors
from ._shared import load_extracting_pipeline, refuse_existing

METRICS, MARKDOWN, PAGE, RESULT = "metrics.json", "report.md", "report.html", "result.json"


def evaluate_cli(
    what: Annotated[
        str, Arg(metavar="WHAT", help="A pipeline, or a result file as of DocRED's leaderboard")
    ],
    gold_path: Annotated[
        Path,
        Arg(
            metavar="GOLD",
            help="The annotated documents: DocRED's .json, .spacy, or a folder of .spacy files",
            exists=True,
        ),
    ],
    train: Annotated[
        Optional[Path],
        Opt(
            "--train",
            help="The annotated training documents, for Ign F1, frequent relations and the others",
            exists=True,
        ),
    ] = None,
    distant: Annotated[
        Optional[Path],
        Opt("--distant", help="The distantly supervised ones, for another Ign F1", exists=True),
    ] = None,
    output: Annotated[
        Optional[Path],
        Opt("--output", "-o", help="Folder for metrics, reports and answers", file_okay=False),
    ] = None,
    compare: Annotated[
        Optional[str],
        Opt("--compare", "-c", help="Another pipeline or result file, to be compared with WHAT"),
    ] = None,
    find_entities: Annotated[
        bool,
        Opt("--find-entities", "-e", help="Let the pipeline find the entities, instead of GOLD's"),
    ] = False,
    names_path: Annotated[
        Optional[Path],
        Opt("--names", "-n", help="Readable names of the relations, as JSON", exists=True),
    ] = None,
    lang: Annotated[str, Opt("--lang", "-l", help="Language of .json files")] = "en",
    threshold: Annotated[
        Optional[float],
        Opt(
            "--threshold", "-t", min=0, max=1, help="Answer with relations of a higher probability"
        ),
    ] = None,
    limit: Annotated[
        int,
        Opt("--limit", min=0, help="Documents in report.html, most errors first; 0 for all"),
    ] = 50,
    batch_size: Annotated[int, Opt("--batch-size", "-b", min=1, help="Documents at a time")] = 32,
    use_gpu: Annotated[int, Opt("--gpu-id", "-g", help="GPU, or -1 for the processor")] = -1,
    force: Annotated[bool, Opt("--force", "-F", help="Overwrite the output")] = False,
) -> None:
    """
    Evaluate a pipeline or a result file on annotated documents, as the paper does.

    It prints the scores, and writes to the output's folder: metrics.json (fractions), report.md,
    report.html and, of a pipeline, its answers in result.json. The answers of a pipeline are
    about GOLD's entities. Precision, recall, F1 and Ign F1 are those of DocRED's scorer.
    """
    outputs = {} if output is None else {name: output / name for name in (METRICS, MARKDOWN, PAGE)}
    if output is not None and not is_json(Path(what)):
        outputs[RESULT] = output / RESULT
    if find_entities and all(is_json(Path(source)) for source in (what, compare or what)):
        raise typer.BadParameter("--find-entities is for pipelines: a result file has answers.")
    refuse_existing(outputs.values(), force)
    try:
        if PAGE in outputs:
            import_extra("plotly")
    except ImportError as error:
        msg.fail(f"Cannot write {outputs[PAGE]}", error, exits=1)
    setup_gpu(use_gpu, silent=True)
    try:
        gold = read_gold(gold_path, Vocab(), lang=lang)
        names = dict(gold.label_names)
        training, supervised = (
            None if path is None else read_training_data(path, gold.facts)
            for path in (train, distant)
        )
        if names_path is not None:
            names.update(read_relation_names(names_path))

        def evaluate(source: str) -> Evaluation:
            answers, candidates = _answers(
                source, gold.docs, names, threshold, find_entities, batch_size
            )
            return Evaluation(gold.documents, answers, candidates, training, supervised)

        evaluation = evaluate(what)
        other = None if compare is None else evaluate(compare)
    except (OSError, ValueError) as error:
        msg.fail(f"Cannot evaluate {what}", error, exits=1)
    _warn(evaluation, gold)
    metrics = dict(evaluation.metrics)
    compared = None
    _print(summary(evaluation))
    if other is not None:
        differences = evaluation.compare(other)
        compared = comparison(differences, str(compare))
        metrics["comparison"] = {
            name: {
                "difference": interval.value,
                "interval": [interval.low, interval.high],
                "no_better": interval.share_below,
            }
            for name, interval in differences.items()
        }
        _print(compared)
    if not outputs:
        return
    title = f"{what} on {gold_path}"
    try:
        with written_whole(outputs.values()) as written:
            # Not srsly, which rounds.
            written[outputs[METRICS]].write_text(json.dumps(metrics, indent=2), encoding="utf8")
            written[outputs[MARKDOWN]].write_text(
                to_markdown(title, evaluation, names, compared), encoding="utf8"
            )
            written[outputs[PAGE]].write_text(
                to_page(title, evaluation, gold.docs, names, compared, limit), encoding="utf8"
            )
            if RESULT in outputs:
                write_answers(written[outputs[RESULT]], evaluation.answers)
    except OSError as error:
        msg.fail(f"Cannot write to {output}", error, exits=1)
    msg.good(f"{', '.join(map(str, outputs.values()))}")


def _answers(
    source: str,
    docs: Mapping[str, Doc],
    names: Dict[str, str],
    threshold: Optional[float],
    find_entities: bool,
    batch_size: int,
) -> Tuple[Answers, Optional[Answers]]:
    """The answers, and those together with less probable ones, if they are known."""
    if is_json(Path(source)):
        given = read_answers(Path(source))
        if threshold is None:
            return given, None
        if any(answer.score is None for answer in given.values()):
            raise ValueError(f"{source} has answers without a score: leave --threshold out.")
        return above(given, threshold), given
    nlp = load_extracting_pipeline(source, threshold)
    for extractor in relation_extractors(nlp):
        names.update(cast(Any, extractor).label_names)
    parts = predict_answers(nlp, docs, with_gold_entities=not find_entities, batch_size=batch_size)
    answers: Answers = {}
    candidates: Answers = {}
    for part, less_probable in tqdm(parts, total=len(docs), unit=" documents", disable=None):
        answers.update(part)
        candidates.update(less_probable)
    return answers, candidates


def _warn(evaluation: Evaluation, gold: GoldSet) -> None:
    if gold.not_annotated:
        msg.warn(
            f"{len(gold.not_annotated)} documents without annotated relations are left out",
            ", ".join(gold.not_annotated),
        )
    if evaluation.unknown_titles:
        msg.warn(
            f"{len(evaluation.unknown_titles)} documents of the answers are not in GOLD; what is "
            "said of them counts as wrong",
            ", ".join(evaluation.unknown_titles),
        )


def _print(table: Table) -> None:
    msg.divider(table.title)
    aligns = ("l", *("r" for _ in table.header[1:]))
    msg.table(table.rows, header=table.header, aligns=aligns, max_col=60)
    msg.info(table.note)
