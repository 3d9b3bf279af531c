"""Architectures of other papers, one file a paper."""
