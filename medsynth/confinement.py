"""Runs the medsynth command in a child process whose time and memory are limited.

That stops what a foreign bundle does by mistake: a computation that never ends, or that takes all memory. It is no
sandbox: what runs there may read and write whatever the user may.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from medsynth.errors import RunError

_GRACE = 10.0
"""Seconds that a child has to save what it has and end."""
_confined = False


def is_confined() -> bool:
    """Tell whether this process is such a child."""
    return _confined


def run_confined(arguments: Sequence[str], *, seconds: float, memory: int) -> int:
    """Run ``medsynth ARGUMENTS`` in a child process; what is printed goes to the same places.

    Ctrl-C and SIGTERM are passed on, so the child saves as it would alone.

    Args:
        arguments: of the medsynth command.
        seconds: after these it is stopped.
        memory: largest size of its data in bytes; not enforced on Windows and macOS.

    Returns:
        Its exit code, 128 + n if signal n ended it.

    Raises:
        RunError: it took too long.
    """
    command = [sys.executable, "-P", "-c", "from medsynth.confinement import enter; enter()", str(memory), *arguments]
    child = subprocess.Popen(command, process_group=0 if os.name == "posix" else None)
    passed_on = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda got, _: _send(child, got)) for number in passed_on}
    try:
        code = child.wait(seconds)
    except subprocess.TimeoutExpired:
        _end(child)
        raise RunError(
            f"the bundle was stopped after {seconds / 60:g} minutes", hint="Allow more with --time-limit MINUTES."
        ) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def enter() -> None:
    """Limit this process and run the medsynth command; its arguments follow the limit in bytes."""
    global _confined
    _confined = True
    _limit(int(sys.argv[1]))
    sys.argv = ["medsynth", *sys.argv[2:]]
    from medsynth.cli import main

    main()


def _limit(memory: int) -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has no limits, macOS refuses this one
        import resource

        _, highest = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = memory if highest == resource.RLIM_INFINITY else min(memory, highest)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, wanted))


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
