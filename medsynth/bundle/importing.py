"""Imports the network package of a bundle from the source files that its manifest lists, and from nothing else.

Python would prefer a compiled module beside a source file, or a cached one below ``__pycache__``; neither is listed.
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any


class _Uncached(SourceFileLoader):
    """Reads and writes no cached bytecode: without a file's date Python cannot use a cache."""

    def path_stats(self, _: str) -> Any:
        raise OSError


class _Finder(MetaPathFinder):
    """Finds the modules of one package below one folder."""

    def __init__(self, package: str, root: Path) -> None:
        self.package = package
        self.root = root

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """Return where a module of the package is; None for the modules of others."""
        if fullname != self.package and not fullname.startswith(f"{self.package}."):
            return None
        place = self.root.joinpath(*fullname.split("."))
        inner = place / "__init__.py"
        file = inner if inner.is_file() else place.with_name(f"{place.name}.py")
        if not file.is_file():
            raise ModuleNotFoundError(f"the bundle has no module {fullname}", name=fullname)
        folders = [str(place)] if file == inner else None
        loader = _Uncached(fullname, str(file))
        return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=folders)


def import_vendored(package: str, module: str, root: Path) -> ModuleType:
    """Return `module` of `package`, which lies below `root`.

    The package's name is the hash of its code, so one that is loaded already holds the same code.

    Raises:
        ImportError: there is no such module. Whatever else the code raises comes through.
    """
    if package not in sys.modules:
        sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "package", None) != package]
        sys.meta_path.insert(0, _Finder(package, root))
    return importlib.import_module(module)
