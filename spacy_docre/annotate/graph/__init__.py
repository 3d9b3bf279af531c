"""One graph of all documents."""
