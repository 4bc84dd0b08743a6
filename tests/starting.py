"""Processes of Python that need not import torch and MONAI again, which takes longer than most of what they are for.

`Python` is a `subprocess.Popen` of ``python ARGUMENTS`` in every respect: number, streams, working folder, variables,
signals, exit code. On Linux it is forked by a process that has imported what it will import, see
`tests/programs/forking.py`. Where the start itself is the matter (what is imported, and from where), tests start a
Python of their own.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_FORKING = Path(__file__).parent / "programs" / "forking.py"
_CHILD_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""
_ONE_BY_ONE = threading.Lock()
MEDSYNTH = ("medsynth.flow.engine", "medsynth.door.one_run", "pydantic", "typer", "torch._dynamo")
"""What commands import, but for what reads variables when it is imported; torch imports its compiler to train."""
MONAI = ("monai.bundle", "monai.handlers")
"""What somebody imports who has never heard of medsynth."""


class Python(subprocess.Popen[Any]):
    """A process ``python ARGUMENTS``: a module after ``-m``, code after ``-c``, or a file; `imported` is imported."""

    def __init__(self, arguments: list[str], *, imported: tuple[str, ...] = MEDSYNTH, **options: Any) -> None:
        self._imported = imported
        super().__init__([sys.executable, *arguments], **options)

    if sys.platform == "linux":

        def _execute_child(self, args, _executable, _before, _close, _passed, cwd, env, *rest) -> None:  # type: ignore[no-untyped-def]
            pipes = rest[3:9]
            read, _, _, wrote, _, erred = pipes
            streams = [own if given == -1 else given for own, given in enumerate((read, wrote, erred))]
            self.pid = _fork(_server(*self._imported), args[1:], cwd, env, streams)
            self._child_created = True
            self._close_pipe_fds(*pipes)


def run(arguments: list[str], *, timeout: float = 300, **options: Any) -> subprocess.CompletedProcess[str]:
    """Do what `subprocess.run` does with captured text."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with Python(arguments, **pipes, **options) as process:
        try:
            told = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(arguments, process.returncode, *told)


def _fork(
    server: socket.socket,
    arguments: list[str],
    folder: Path | None,
    variables: Mapping[str, str] | None,
    streams: list[int],
) -> int:
    start = {"arguments": arguments, "folder": str(folder or Path.cwd()), "variables": {**(variables or os.environ)}}
    with _ONE_BY_ONE:
        socket.send_fds(server, [json.dumps(start).encode()], streams)
        return int(server.recv(64))


@cache
def _server(*imported: str) -> socket.socket:
    """Start a process that forks; it ends with this one, and its orphans become this one's children."""
    ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
    own, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        command = [sys.executable, str(_FORKING), str(its.fileno()), *imported]
        nothing = subprocess.DEVNULL
        process = subprocess.Popen(command, pass_fds=[its.fileno()], stdin=nothing, stdout=nothing)
    atexit.register(_end, process, own)
    return own


def _end(process: subprocess.Popen[bytes], asking: socket.socket) -> None:
    asking.close()
    process.kill()
    process.wait()
