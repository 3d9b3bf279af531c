"""One module per format; each gives Docs with entities and relations."""
