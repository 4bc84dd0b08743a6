"""Which limits hold for a confined process on this machine, found out by trying to pass them in one."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from medsynth.base.children import PARENT, python
from medsynth.confinement.confined import confine, is_confined
from medsynth.confinement.surroundings import HOME, is_kept, prepared

LIMITS = {
    "parent": "ends with its parent",
    "environment": "no secrets in its environment",
    "home": "a home of its own",
    "network": "no network",
    "programs": "no other programs",
    "writing": "writes where it should only",
    "memory": "limited memory",
}
"""What a confined process is limited in, and how to say so."""
_TELL = "from medsynth.confinement.limits import tell; tell()"
_GIVEN = {"HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "MEDSYNTH_HOME", "MPLCONFIGDIR", PARENT}
_GIVEN |= {"PYTHONUSERBASE", "PYTHONSAFEPATH", "JOBLIB_MULTIPROCESSING"}
_OF_THE_SYSTEM = {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"}
_MEMORY = 1 << 33
_GET_DEATH_SIGNAL = 2
"""PR_GET_PDEATHSIG of prctl(2)."""


def held() -> dict[str, bool]:
    """Return by name of `LIMITS` whether it holds: for this process if it is confined, else for one started for it."""
    if is_confined():
        return _tried()
    with prepared(_MEMORY) as (settings, variables):
        command = [*python("-c", _TELL), settings]
        with subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            told = child.stdout.read()
    try:
        return {name: bool(json.loads(told)[name]) for name in LIMITS}
    except (ValueError, KeyError):  # it could not even start
        return dict.fromkeys(LIMITS, False)


def tell() -> None:
    """Confine this process and write to standard output what `held` returns."""
    confine(json.loads(sys.argv[1]))
    sys.stdout.write(json.dumps(_tried()))


def _tried() -> dict[str, bool]:
    home = Path.home()
    beside = home.with_name(f"{home.name}-outside")
    return {
        "parent": sys.platform != "linux" or _death_signal() == signal.SIGKILL,
        "environment": all(is_kept(name) or name in _GIVEN | _OF_THE_SYSTEM for name in os.environ),
        "home": home.name.startswith(HOME),
        "network": _is_refused(lambda: socket.socket().close()),
        "programs": sys.platform == "linux" and _is_refused(_fork),
        "writing": _is_refused(lambda: _write(beside)),
        "memory": _is_limited(),
    }


def _death_signal() -> int:
    found = ctypes.c_int()
    ctypes.CDLL(None).prctl(_GET_DEATH_SIGNAL, ctypes.byref(found), 0, 0, 0)
    return found.value


def _is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except PermissionError:
        return True
    except OSError:  # something else is amiss
        return False
    return False


def _write(folder: Path) -> None:
    folder.mkdir()
    folder.rmdir()


def _fork() -> None:
    number = os.fork()
    if not number:
        os._exit(0)
    os.waitpid(number, 0)


def _is_limited() -> bool:
    with suppress(ImportError):
        import resource

        return resource.getrlimit(resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY
    return False
