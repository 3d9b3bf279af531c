"""The network and the transformer: Docs in, logits out."""
