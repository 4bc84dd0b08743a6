"""What a confined process gets: settings, variables, a home, and places to write to."""

from __future__ import annotations

import json
import os
import shutil
import site
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from medsynth.base.children import environment
from medsynth.base.errors import RunError
from medsynth.base.files import landing, pass_on

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


def is_kept(variable: str) -> bool:
    """Tell whether a child knows what this variable of the environment says."""
    return variable in _KEPT or variable.startswith(_KEPT_KINDS)


def _own_environment(home: Path) -> dict[str, str]:
    """Return the variables of the child; `home` becomes its home and holds its temporary files."""
    from medsynth.base.home import data_folder

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

    So whoever may write this file need not be allowed to write beside it. A link stays, and a pipe gets what was
    written.
    """
    final = landing(path)
    beside = final.parent if final else None
    try:
        with (
            _made(beside) if beside else nullcontext(),
            tempfile.TemporaryDirectory(prefix=".medsynth-", dir=beside, ignore_cleanup_errors=True) as folder,
        ):
            place = Path(folder).resolve() / path.name
            yield place
            if place.exists() and stat.S_ISREG(place.lstat().st_mode):
                if final:
                    place.replace(final)
                else:
                    with place.open("rb") as stream:
                        pass_on(stream, path)
    except OSError as error:
        hint = "Make room or choose another --out."
        raise RunError(f"{path} could not be written: {error.strerror}", hint=hint) from error
