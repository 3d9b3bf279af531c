"""Threads of processes that are forked."""

import os
from functools import lru_cache, partial

import torch


@lru_cache(maxsize=None)
def use_one_thread_in_forks() -> None:
    """Let torch use one thread in each forked process, as of nlp.pipe(n_process=2): it hangs in
    the thread pool that it inherits."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))
