"""Silence for libraries that report what is examined here anyway, for all threads at once."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from medsynth.base.errors import InputError, MedsynthError

_LOGGERS = ("pydicom", "nibabel", "nibabel.global", "PIL", "highdicom")
_NOWHERE = logging.NullHandler()
_lock = threading.Lock()
_inside = 0
_undo = ExitStack()


@contextmanager
def quiet() -> Iterator[None]:
    """Drop warnings and log records of the decoders.

    Warning filters are global: the first thread that enters sets them, and the last that leaves restores them.
    """
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            _enter()
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _undo.close()


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Be quiet, and turn whatever a decoder raises into one error that names the file.

    Raises:
        InputError: the file is damaged in a way that nothing else has named.
    """
    try:
        with quiet():
            yield
    except MedsynthError:
        raise
    except MemoryError as error:
        raise InputError(f"{path} needs more memory than there is", hint="Split or shrink it.") from error
    except Exception as error:  # decoders raise many types on damaged files
        lines = str(error).strip().splitlines()
        raise InputError(f"{path} cannot be decoded: {lines[-1] if lines else type(error).__name__}") from error


def _enter() -> None:
    _undo.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        _undo.callback(_direct, logger, logger.handlers, propagate=logger.propagate)
        _direct(logger, [_NOWHERE], propagate=False)


def _direct(logger: logging.Logger, handlers: list[logging.Handler], *, propagate: bool) -> None:
    """Say where the records of a logger, and of those below it, go. A level empties the caches of all loggers."""
    logger.handlers, logger.propagate = handlers, propagate
