"""Knowledge distillation: the logits of a teacher, made, stored, and learnt from."""
