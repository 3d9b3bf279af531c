"""Store a trained pipeline with a complete meta, ready to be packaged."""

from pathlib import Path

import spacy
import srsly
import typer
from spacy.util import load_config
from wasabi import msg


def ship_pipeline(model: Path, recipe: Path, meta: Path, scores: Path, output: Path) -> None:
    """Store a pipeline.

    model (Path): The trained pipeline.
    recipe (Path): The config it was trained with.
    meta (Path): A JSON file: what to add to its meta. The Markdown beside it, of the same name, is
        what its model card says.
    scores (Path): A JSON file: what was measured of its recipe.
    output (Path): The folder to write.
    """
    # Without the words of the documents that it was trained on, which are in its vocabulary.
    nlp = spacy.load(model, exclude=["vocab"])
    nlp.meta.update(srsly.read_json(meta))
    # `spacy package` makes the model card of it, with the figures.
    nlp.meta["notes"] = meta.with_suffix(".md").read_text(encoding="utf8")
    # The scores of its last step are of documents that it was trained on.
    nlp.meta["performance"] = srsly.read_json(scores)
    # The paths of the machine it was trained on are of no use on another, and the settings of its
    # last stage tell nothing of those before.
    sections = load_config(recipe)
    for section in ("paths", "corpora", "training", "initialize"):
        nlp.config[section] = sections[section]
    components = sections["components"]
    nlp.get_pipe_config("transformer")["model"]["name"] = components["transformer"]["model"]["name"]
    scorer = components["doc_relation_extractor"]["scorer"]
    nlp.get_pipe_config("doc_relation_extractor")["scorer"] = scorer
    nlp.to_disk(output)
    size = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    msg.good(f"{output}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    typer.run(ship_pipeline)
