"""Annotated corpora. Whatever comes in, Docs with entities and relations come out.

Formats, by their names: `formats`. In: `docred`, `hacred`, `annotated_files`, `pubtator`, and
`corpus_files` (spaCy's own, and the way out). In and out, for annotation tools: `prodigy` with
`prodigy_output`, `label_studio`, `doccano`, `brat`.
Distant supervision: `facts` of a `knowledge_base`.
Statistics: `stats`.
Below them: `gold_annotations` (what is written to a Doc), `annotated_records` (a document as `docre
annotate` and `docre serve` have it), `text_documents` (what tools have of a document),
`divided_text`, `sentences`, `detokenization`, and `json_files` with `validation` (what is wrong
with a file, and with a record in it).
"""
