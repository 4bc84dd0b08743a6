"""Imports the network package of a bundle from the texts that its manifest lists, and from nothing else.

Python would prefer a compiled module beside a source file, or a cached one below ``__pycache__``; neither is listed.
The texts are those that were compared with the manifest: no file is read again.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType


class _Finder(MetaPathFinder, ExecutionLoader):
    """Finds and loads the modules of one package; `root` only names its files where an error shows them."""

    def __init__(self, package: str, texts: Mapping[str, str], root: Path) -> None:
        self.package = package
        self.root = root
        self.texts = {f"{package}/{path}": text for path, text in texts.items()}

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """Return where a module of the package is; None for the modules of others."""
        if fullname != self.package and not fullname.startswith(f"{self.package}."):
            return None
        return spec_from_loader(fullname, self)

    def get_source(self, fullname: str) -> str:
        """Return the text of a module."""
        return self.texts[self._path(fullname)]

    def get_filename(self, fullname: str) -> str:
        """Return where a module lay."""
        return str(self.root / self._path(fullname))

    def is_package(self, fullname: str) -> bool:
        """Return whether a module is a package."""
        return self._path(fullname).endswith("/__init__.py")

    def _path(self, fullname: str) -> str:
        place = fullname.replace(".", "/")
        for path in (f"{place}/__init__.py", f"{place}.py"):
            if path in self.texts:
                return path
        raise ModuleNotFoundError(f"the bundle has no module {fullname}", name=fullname)


def import_vendored(package: str, module: str, texts: Mapping[str, str], root: Path) -> ModuleType:
    """Return `module` of `package`.

    The package's name is the hash of its code, so one that is loaded already holds the same code.

    Args:
        package: name.
        module: full name.
        texts: source files of the package by their path below it.
        root: where the package's folder lies.

    Raises:
        ImportError: there is no such module. Whatever else the code raises comes through.
    """
    if package not in sys.modules:
        sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "package", None) != package]
        sys.meta_path.insert(0, _Finder(package, texts, root))
    return importlib.import_module(module)
