#!/usr/bin/env bash
# Find the relations in the texts of assets/samples. Print a table, and write triples.jsonl and
# triples.html.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
python -m spacy docre annotate assets/en_docre_wiki_sm assets/samples \
    --output triples.jsonl --output triples.html --table --force
echo "Open triples.html in a browser."
