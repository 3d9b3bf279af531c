"""Threads of forked processes."""

import os
from functools import lru_cache, partial

import torch


@lru_cache(maxsize=None)
def use_one_thread_in_forks() -> None:
    """Let torch use one thread in each forked process, e.g. of nlp.pipe(n_process=2). With more
    threads, torch hangs in the thread pool that the process inherits."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))
