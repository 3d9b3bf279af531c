"""Kills at each step on the way of files."""

import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any, Callable

_CALLS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate"}


def kill_at_each_call(
    prepare: Callable[[int], Path], work: Callable[[Path], Any], check: Callable[[Path], Any]
) -> int:
    """Works in processes, of which each is killed one call of the file system later than the
    one before, until one lives to its end; and checks what is left each time.

    prepare (Callable[[int], Path]): Makes what is worked on, anew for each number.
    work (Callable[[Path], Any]): The work.
    check (Callable[[Path], Any]): Checks what it has left.
    RETURNS (int): The number of kills.
    """
    for number in count():
        path = prepare(number)
        child = os.fork()
        if not child:
            _work_and_exit(work, path, number)
        _, status = os.waitpid(child, 0)
        check(path)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "The work has failed"
            return number
        assert os.WTERMSIG(status) == signal.SIGKILL
    raise AssertionError


def _work_and_exit(work: Callable[[Path], Any], path: Path, number: int) -> None:
    calls = count()

    def kill(event: str, arguments: Any) -> None:
        if event in _CALLS and next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        sys.addaudithook(kill)
        work(path)
        code = 0
    finally:
        os._exit(code)
