"""Runs the medsynth command in a child process that can do less than its user may.

It ends with its parent, after a time, and at a size; it knows no secrets of the environment and has a home of its own
for the time it lives. What else it gives up depends on the system, see `medsynth.confinement.restrictions` and
`medsynth.confinement.limits`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import site
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from medsynth.base import files
from medsynth.base.children import end_with_parent, environment, python
from medsynth.base.errors import RunError
from medsynth.confinement.restrictions import restrict

_GRACE = 10.0
"""Seconds that a child has to save what it has and end."""
_ENTER = "from medsynth.confinement.running import enter; enter()"
_KEPT = {
    "PATH", "LANG", "LANGUAGE", "TZ", "TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER", "CUBLAS_WORKSPACE_CONFIG", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF",
    "PYTORCH_ENABLE_MPS_FALLBACK", "PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONIOENCODING",
    "PYTHONHASHSEED", "PYTHONWARNINGS", "PYTHONUNBUFFERED", "PYTHONFAULTHANDLER", "PYTHONDONTWRITEBYTECODE",
    "PYTHONPYCACHEPREFIX", "PYTHONNOUSERSITE", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "PATHEXT",
    "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "MEDSYNTH_BLOCK",
}  # fmt: skip
"""Variables that a computation may depend on. None that is known to hold a password, token or address."""
_KEPT_KINDS = ("LC_", "OMP_", "MKL_", "KMP_", "OPENBLAS_")
HOME = "medsynth-home-"
"""How the names of temporary homes begin."""
_confined = False


def is_confined() -> bool:
    """Tell whether this process is such a child."""
    return _confined


def run_confined(
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
        return _wait([*python("-c", _ENTER), settings, *arguments], variables, seconds)


@contextmanager
def prepared(
    memory: int, folders: Sequence[Path] = (), tables: Sequence[Path] = ()
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the settings and the environment of a child; what it may write to exists while the block runs."""
    with ExitStack() as ending:
        home = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix=HOME, ignore_cleanup_errors=True)))
        given = [place for path in folders if (place := ending.enter_context(_made(path))) is not None]
        staged = {str(path.absolute()): ending.enter_context(_staged(path)) for path in tables}
        writable = [home, *given, *(place.parent for place in staged.values())]
        settings = {
            "memory": memory,
            "writable": [str(path.resolve()) for path in writable],
            "staged": {path: str(place) for path, place in staged.items()},
        }
        yield json.dumps(settings), _own_environment(home)


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


def is_kept(variable: str) -> bool:
    """Tell whether a child knows what this variable of the environment says."""
    return variable in _KEPT or variable.startswith(_KEPT_KINDS)


def _own_environment(home: Path) -> dict[str, str]:
    """Return the variables of the child; `home` becomes its home and holds its temporary files."""
    from medsynth.bundle.trust.memory import data_folder

    kept = {name: value for name, value in os.environ.items() if is_kept(name)}
    own = dict.fromkeys(("HOME", "USERPROFILE"), str(home))
    own |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(home))
    with suppress(RunError):
        own["MEDSYNTH_HOME"] = str(data_folder().absolute())
    if user := site.getuserbase():
        own["PYTHONUSERBASE"] = user  # else it would be looked for in the new home
    own["JOBLIB_MULTIPROCESSING"] = "0"  # else it complains that it may start no processes
    own["MPLCONFIGDIR"] = str(_copy_fonts(home / "matplotlib"))
    return environment(kept, **own)


def _copy_fonts(folder: Path) -> Path:
    """Copy the user's list of fonts, which takes matplotlib seconds to make."""
    folder.mkdir()
    with suppress(OSError, RuntimeError):  # there need be neither a list nor a home
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matplotlib"
        for path in Path(os.environ.get("MPLCONFIGDIR") or cache).glob("fontlist-*.json"):
            shutil.copyfile(path, folder / path.name)
    return folder


@contextmanager
def _made(path: Path) -> Iterator[Path | None]:
    """Yield a folder; one that had to be made is removed if it stays empty. None if there cannot be one."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:  # the command itself says what is wrong with it
        yield None
        return
    try:
        yield path
    finally:
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()


@contextmanager
def _staged(path: Path) -> Iterator[Path]:
    """Yield a place in a folder of its own near `path`; a file that is written there is moved to `path` at the end.

    So whoever may write this file need not be allowed to write beside it.
    """
    try:
        with (
            _made(path.parent),
            tempfile.TemporaryDirectory(prefix=".medsynth-", dir=path.parent, ignore_cleanup_errors=True) as folder,
        ):
            place = Path(folder).resolve() / path.name
            yield place
            if place.exists() and stat.S_ISREG(place.lstat().st_mode):
                place.replace(path)
    except OSError as error:
        hint = "Make room or choose another --out."
        raise RunError(f"{path} could not be written: {error.strerror}", hint=hint) from error


# ------------------------------------------------------------ in the child


def enter() -> None:
    """Confine this process and run the medsynth command; its arguments follow the settings."""
    confine(json.loads(sys.argv[1]))
    sys.argv = ["medsynth", *sys.argv[2:]]
    from medsynth.cli import main

    main()


def confine(settings: Mapping[str, Any]) -> None:
    """Confine this process as `prepared` says."""
    global _confined
    restrict([Path(path) for path in settings["writable"]])  # first of all: what follows starts a thread
    _limit(settings["memory"])
    end_with_parent()
    files.write_instead({Path(path): Path(place) for path, place in settings["staged"].items()})
    _confined = True


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
