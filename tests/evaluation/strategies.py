"""Triples to draw from, few enough that gold and predicted ones meet."""

from hypothesis import strategies as st

from spacy_docre.evaluation.metrics import ScoredTriple

triples = st.builds(
    ScoredTriple,
    document=st.sampled_from("ABC"),
    head=st.integers(-1, 3),
    tail=st.integers(0, 3),
    label=st.sampled_from(["P17", "P19", "P27"]),
).filter(lambda triple: triple.head != triple.tail)
triple_sets = st.sets(triples, max_size=40)
