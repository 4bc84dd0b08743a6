"""Child processes of Python: they import nothing from the working folder and do not outlive who started them.

Whoever is killed says nothing to its children. On Linux the kernel kills them with it; everywhere the standard input
of a child is a pipe that nobody else holds open, whose end tells that the parent is gone. A byte in it asks the child
to save and end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any

from medsynth.base.stopping import GRACE, Stop

PARENT = "MEDSYNTH_PARENT"
"""Variable that tells a child the number of the process that started it."""
_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


def python(*arguments: str) -> list[str]:
    """Return the command of this Python with `arguments`, without the working folder on its import path."""
    return [sys.executable, "-P", *arguments]


def environment(variables: Mapping[str, str] | None = None, **more: str) -> dict[str, str]:
    """Return the environment of a child, whose own children leave the working folder alone, too.

    Args:
        variables: to start from; None = those of this process.
        more: further ones.
    """
    return {**(os.environ if variables is None else variables), **more, "PYTHONSAFEPATH": "1", PARENT: str(os.getpid())}


def ask_to_stop(child: subprocess.Popen[Any]) -> None:
    """Ask a child that called `end_with_parent` to save and end."""
    stream: IO[Any] | None = child.stdin
    if stream is not None:
        with suppress(OSError, ValueError):  # it has ended, or was asked before
            os.write(stream.fileno(), b"stop\n")


def end_with_parent(stop: Stop | None = None, *, piped: bool = True) -> None:
    """End this process as soon as the one that started it is gone, however that ended; call it in a child, early.

    Nothing is saved then: what is on disk is complete, see `medsynth.base.files`.

    Args:
        stop: requested when the parent asks for it; the process has `GRACE` seconds to save from then on.
        piped: standard input is a pipe of the parent; without it only Linux ends the process.
    """
    die_with_parent(int(os.environ.pop(PARENT, 0)) or None)
    if piped:
        threading.Thread(target=_follow, args=(stop,), daemon=True).start()


def _follow(stop: Stop | None) -> None:
    while os.read(0, 64):
        if stop is not None and not stop.requested:
            stop.requested = True
            last = threading.Timer(GRACE, os._exit, [130])
            last.daemon = True
            last.start()
    os._exit(130)


def end_worker_with_parent(_number: int = 0) -> None:
    """Do the same in a process of `multiprocessing`, such as one that loads batches for torch's DataLoader."""
    import multiprocessing
    from multiprocessing.connection import wait

    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        die_with_parent()
        if not parent.is_alive():
            os._exit(130)
        return

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(130)

    threading.Thread(target=follow, daemon=True).start()


def die_with_parent(parent: int | None = None) -> None:
    """Let Linux kill this process when the thread that started it ends; elsewhere nothing happens.

    Args:
        parent: number of the process that started this one, which may be gone already; None = whoever it is now.
    """
    if sys.platform != "linux":
        return
    import ctypes

    parent = os.getppid() if parent is None else parent
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
