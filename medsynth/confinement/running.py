"""Runs the medsynth command in a child process that can do less than its user may.

It ends with its parent, after a time, and at a size; it knows no secrets of the environment and has a home of its own
for the time it lives. What else it gives up depends on the system, see `medsynth.confinement.restrictions` and
`medsynth.confinement.limits`.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from medsynth.base.children import python
from medsynth.base.errors import RunError
from medsynth.confinement.surroundings import prepared

_GRACE = 10.0
"""Seconds that a child has to save what it has and end."""


def run_confined(
    entry: str,
    arguments: Sequence[str],
    *,
    seconds: float,
    memory: int,
    folders: Sequence[Path] = (),
    tables: Sequence[Path] = (),
) -> int:
    """Run ``medsynth ARGUMENTS`` in a child process; what is printed goes to the same places.

    Ctrl-C and SIGTERM are passed on, so the child saves as it would alone; a closed terminal ends it after a while.

    Args:
        entry: Python code that calls `medsynth.confinement.confined.enter`, then carries out what ``sys.argv`` says.
        arguments: of the medsynth command.
        seconds: after these it is stopped.
        memory: largest size of its data in bytes; not enforced on Windows and macOS.
        folders: in which it may write; those that do not exist are made, and removed again if they stay empty.
        tables: files that it may write through `medsynth.base.files`, and nothing else beside them.

    Returns:
        Its exit code, 128 + n if signal n ended it.

    Raises:
        RunError: it took too long, or a file cannot be written.
    """
    with prepared(memory, folders, tables) as (settings, variables):
        return _wait([*python("-c", entry), settings, *arguments], variables, seconds)


def _wait(command: Sequence[str], variables: Mapping[str, str], seconds: float) -> int:
    group = 0 if os.name == "posix" else None
    child = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, process_group=group)
    with _handling(child):
        try:
            code = child.wait(seconds)
        except _HungUpError:
            _end(child)
            code = -signal.SIGHUP
        except subprocess.TimeoutExpired:
            _end(child)
            hint = "Allow more with --time-limit MINUTES."
            raise RunError(f"the bundle was stopped after {seconds / 60:g} minutes", hint=hint) from None
        finally:
            if child.stdin is not None:
                child.stdin.close()
    return code if code >= 0 else 128 - code


class _HungUpError(Exception):
    """The terminal is gone."""


@contextmanager
def _handling(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Pass signals on to the child while the block runs."""

    def hang_up(*_: object) -> None:
        raise _HungUpError

    handlers: dict[int, Any] = {n: lambda got, _: _send(child, got) for n in (signal.SIGINT, signal.SIGTERM)}
    if os.name == "posix" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        handlers[signal.SIGHUP] = hang_up
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(child: subprocess.Popen[bytes]) -> None:
    _send(child, signal.SIGTERM)
    try:
        child.wait(_GRACE)
    except subprocess.TimeoutExpired:
        _send(child, signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        child.wait()


def _send(child: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(child.pid, number)
        else:
            child.terminate()
