"""Annotated corpora. Whatever comes in, Docs with entities and relations come out.

Formats in: `docred`, `hacred`, `prodigy`, `corpus_files` (spaCy's own, and the way out).
Distant supervision: `facts` of a `knowledge_base`.
Statistics: `stats`.
Below them: `gold_annotations` (what is written to a Doc), `sentences`, `detokenization`, and
`json_files` with `validation` (what is wrong with a file, and with a record in it).
"""
