"""Distant supervision: documents labelled with the facts of a knowledge base."""
