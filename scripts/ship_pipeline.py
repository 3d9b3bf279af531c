"""Save a trained pipeline with its complete meta, ready for packaging."""

from pathlib import Path
from typing import Optional

import spacy
import srsly
import typer
from spacy.util import load_config
from wasabi import msg


def ship_pipeline(
    model: Path,
    recipe: Path,
    meta: Path,
    scores: Path,
    output: Path,
    encoder: Optional[str] = None,
) -> None:
    """Save a pipeline.

    model (Path): The trained pipeline.
    recipe (Path): The config it was trained with.
    meta (Path): A JSON file with entries for the pipeline's meta. The Markdown file of the same
        name beside it is the text of the model card.
    scores (Path): A JSON file with the scores of the recipe.
    output (Path): The folder to write.
    encoder (Optional[str]): The name of its encoder, on the Hugging Face hub; None for the
        encoder of the recipe.
    """
    # Without the vocabulary, which holds words of the training documents.
    nlp = spacy.load(model, exclude=["vocab"])
    nlp.meta.update(srsly.read_json(meta))
    # `spacy package` makes the model card from these notes and the scores.
    nlp.meta["notes"] = meta.with_suffix(".md").read_text(encoding="utf8")
    # The scores in the trained pipeline were measured on its training documents.
    nlp.meta["performance"] = srsly.read_json(scores)
    # The trained pipeline's config has paths of the training machine, and only the settings of the
    # last stage. The recipe has neither fault.
    sections = load_config(recipe, overrides={"paths.encoder": encoder} if encoder else {})
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
