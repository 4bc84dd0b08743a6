"""Keeps Python from importing what lies in the working folder, where it is on the import path.

``python -m medsynth``, torchrun and an empty entry in PYTHONPATH put it there; the command ``medsynth`` does not.
This module imports nothing that is not loaded when Python starts, for whatever it imported could be the folder's.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder, all_suffixes


def leave_working_folder() -> str:
    """Take the working folder off the import path where Python put it without being asked.

    Returns:
        Name of a file or folder there that would be imported instead of an installed module; empty if there is none.
    """
    try:
        here = os.getcwd()  # noqa: PTH109 (pathlib would have to be imported)
        names = sorted(os.listdir(here))  # noqa: PTH208
    except OSError:  # it was removed, or may not be listed
        here, names = "", []
    place = next((k for k, entry in enumerate(sys.path) if entry in ("", here)), None)
    if place is None:
        return ""
    later = [entry for entry in sys.path[place + 1 :] if entry not in ("", here)]
    if place == 0 and not sys.flags.safe_path:
        del sys.path[0]
    return next((name for name in names if _is_elsewhere(_module(here, name), here, later)), "")


def _is_elsewhere(module: str, folder: str, later: list[str]) -> bool:
    """Tell whether later entries of the import path hold the module, outside `folder`."""
    spec = PathFinder.find_spec(module, later) if module else None
    return spec is not None and spec.origin is not None and not spec.origin.startswith(folder + os.sep)


def _module(folder: str, name: str) -> str:
    """Return what Python would import a file or folder as; empty if it would not."""
    package = f"{folder}{os.sep}{name}{os.sep}__init__"
    if any(os.path.isfile(package + suffix) for suffix in all_suffixes()):  # noqa: PTH113
        return name
    return next((name.removesuffix(s) for s in sorted(all_suffixes(), key=len)[::-1] if name.endswith(s)), "")
