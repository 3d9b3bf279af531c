"""Annotated corpora: every reader yields Docs with entities and relations.

Formats by name: `formats`.
Readers: `docred`, `hacred`, `annotated_files`, `pubtator`.
Readers and writers: `corpus_files` for `.spacy` files; `prodigy` with `prodigy_output`,
`label_studio`, `doccano` and `brat` for annotation tools.
Distant supervision: `knowledge_base`, and `facts` to read one.
Statistics: `stats`.
Shared parts: `gold_annotations` (writes entities and relations to a Doc), `annotated_records` (the
JSON of `docre annotate` and `docre serve`), `text_documents` (documents of annotation tools),
`divided_text`, `sentences`, `detokenization`, `json_files` (reads files and reports errors in
them) and `validation` (reports errors in a record).
"""
