"""`render`: documents and their relations as HTML, like displaCy."""

import warnings
from functools import lru_cache
from importlib.resources import files
from typing import Any, Iterable, Mapping, Optional, Set, Union

from jinja2 import Environment, PackageLoader, StrictUndefined
from spacy.tokens import Doc
from spacy.util import is_in_jupyter

from ..annotations import document_title, has_entities
from .options import mistyped_names, read_options, usual_colors
from .view import view_document


def render(
    docs: Union[Doc, Iterable[Doc]],
    *,
    page: bool = False,
    jupyter: Optional[bool] = None,
    options: Mapping[str, Any] = {},
) -> Optional[str]:
    """Render documents with their entities and relations as HTML: the text, a list of the
    relations, and their graph. The HTML needs nothing from the network.

    docs (Union[Doc, Iterable[Doc]]): The documents.
    page (bool): Whether to return a whole HTML page, instead of a part of a page.
    jupyter (Optional[bool]): Whether to show the HTML in a Jupyter notebook; None to do so if the
        code runs in a notebook.
    options (Mapping[str, Any]): `colors` of entity labels, `labels` of the entities to mark,
        `threshold` of the relations' scores, `relations` to show (labels or names), and
        `short_names` of relations.
    RETURNS (Optional[str]): The HTML; None if it is shown in a notebook.
    RAISES (ValueError): If the options cannot be used, or if `docs` has anything but Docs. Also if
        the options name a relation or label that neither the documents nor their vocabulary have.
    """
    html = to_html([docs] if isinstance(docs, Doc) else docs, page=page, options=options)
    if jupyter or (jupyter is None and is_in_jupyter()):
        from IPython.display import HTML, display

        display(HTML(html))
        return None
    return html


def to_html(
    docs: Iterable[Doc], *, page: bool, options: Mapping[str, Any], strict: bool = False
) -> str:
    """Render documents as HTML, without showing the HTML. Arguments as in `render`.

    strict (bool): Whether the documents must have the relations and labels of the options. If not,
        it is enough that the vocabulary has them.
    RETURNS (str): The HTML.
    """
    choices = read_options(options)
    views = []
    relations: Set[str] = set()
    labels: Set[str] = set()
    elsewhere: Any = ()
    for number, doc in enumerate(docs, start=1):
        if not isinstance(doc, Doc):
            raise ValueError(f"Only Docs can be rendered, and this is a {type(doc).__name__}.")
        if not has_entities(doc):
            warnings.warn(
                "A document without entities and relations is rendered. Let a pipeline with a "
                "doc_relation_extractor annotate it first.",
                stacklevel=3,
            )
        views.append(view_document(doc, document_title(doc, number), choices))
        relations.update(name for rel in doc._.relations for name in (rel.label_, rel.name))
        labels.update(entity.label_ for entity in doc._.entities)
        elsewhere = () if strict else doc.vocab.strings
    problems = [
        *mistyped_names(choices.relations, relations, "relation", elsewhere),
        *mistyped_names(choices.labels, labels, "entity label", elsewhere),
    ]
    if views and problems:
        raise ValueError(" ".join(problems))
    # One table of colours may serve documents of many kinds.
    known = labels | usual_colors().keys()
    for problem in mistyped_names(choices.colors, known, "entity label", elsewhere):
        warnings.warn(problem, stacklevel=3)
    return fill_template("page.html" if page else "part.html", documents=views)


def fill_template(name: str, **values: Any) -> str:
    """Fill one of the templates. The values are escaped.

    name (str): The template's file name.
    **values (Any): The values that the template needs.
    RETURNS (str): The HTML.
    """
    return _templates().get_template(name).render(**values)


@lru_cache(maxsize=None)
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("spacy_docre.display"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # JSON is small, and its markup characters are escaped.
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    # These values are for relations that a pipeline has found. A report shows errors instead.
    environment.globals.update(asset=_asset, noun="relations", has_scores=True, has_graph=True)
    return environment


@lru_cache(maxsize=None)
def _asset(name: str) -> str:
    """Return a file of `static/`, which goes into a page unchanged."""
    return files(__package__).joinpath("static", name).read_text("utf8")
