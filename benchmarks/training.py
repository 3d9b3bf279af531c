"""(b) Training documents per second, and the share of time outside the encoder.

python benchmarks/training.py DOCS.spacy CONFIG.cfg ENCODER
"""

import statistics
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import typer
from common import machine
from spacy import util
from spacy.schemas import ConfigSchemaTraining
from spacy.training.initialize import init_nlp
from thinc.api import Model
from wasabi import msg


def main(path: Path, config: Path, encoder: str, batches: int = 20) -> None:
    """Measure training steps.

    path (Path): A .spacy file of training documents.
    config (Path): The training config.
    encoder (str): Folder or hub name of the encoder.
    batches (int): The number of steps, after three to warm up.
    """
    overrides = {
        "paths.train": str(path),
        "paths.dev": str(path),
        "paths.encoder": encoder,
    }
    nlp = init_nlp(util.load_config(config, overrides=overrides))
    interpolated = nlp.config.interpolate()
    resolved = util.registry.resolve(interpolated["training"], schema=ConfigSchemaTraining)
    corpus = util.registry.resolve(interpolated["corpora"])["train"]
    examples = list(corpus(nlp))
    with timed_encoder(nlp.get_pipe("transformer").model) as encoder_seconds:
        steps = []
        for number, batch in enumerate(resolved["batcher"](examples)):
            if number == batches + 3:
                break
            encoder_seconds.clear()
            start = time.perf_counter()
            # As in `spacy train`. With `sgd`, update() would step the transformer before it has the
            # gradients of its listeners.
            nlp.update(batch, sgd=False, drop=resolved["dropout"])
            for _, component in nlp.pipeline:
                component.finish_update(resolved["optimizer"])
            seconds = time.perf_counter() - start
            if number >= 3:
                steps.append((len(batch), seconds, sum(encoder_seconds)))
    rate = sum(size for size, _, _ in steps) / sum(seconds for _, seconds, _ in steps)
    outside = statistics.median(1 - inside / seconds for _, seconds, inside in steps)
    msg.text(f"{len(steps)} steps; {machine()}")
    msg.table(
        [
            ("documents / s", f"{rate:.2f}"),
            ("median step, s", f"{statistics.median(seconds for _, seconds, _ in steps):.3f}"),
            ("outside the encoder", f"{outside:.0%}"),
        ]
    )


@contextmanager
def timed_encoder(transformer: Model) -> Iterator[List[float]]:
    """Time the forward and backward passes of a transformer, and its update.

    transformer (Model): The model of the transformer component.
    YIELDS (List[float]): A list that grows by the seconds of each pass.
    """
    seconds: List[float] = []
    shim: Any = transformer.layers[0].shims[0]
    begin_update, finish_update = shim.begin_update, shim.finish_update

    def timed(function: Any, *arguments: Any) -> Any:
        start = time.perf_counter()
        result = function(*arguments)
        seconds.append(time.perf_counter() - start)
        return result

    def timed_begin_update(inputs: Any) -> Tuple[Any, Any]:
        output, backprop = timed(begin_update, inputs)
        return output, lambda gradients: timed(backprop, gradients)

    shim.begin_update = timed_begin_update
    shim.finish_update = lambda optimizer: timed(finish_update, optimizer)
    try:
        yield seconds
    finally:
        shim.begin_update, shim.finish_update = begin_update, finish_update


if __name__ == "__main__":
    typer.run(main)
