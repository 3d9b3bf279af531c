"""What only the authors' released code does: its checkpoints, its padded table of pairs."""
