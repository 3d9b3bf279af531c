#!/usr/bin/env bash
# Train on the documents of assets/quickstart, and annotate two other documents with the pipeline.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
python -m spacy project run quickstart "$@"
