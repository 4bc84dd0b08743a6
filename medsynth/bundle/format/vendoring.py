"""Copies the network code of plugins into a bundle, under a package name of its own.

Two bundles whose code differs have different package names, so they never meet in one process; imports inside the
package are relative, so the code does not depend on that name.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.abc import InspectLoader
from typing import NamedTuple

from torch import nn

from medsynth.base.errors import RunError

_SHARED = "medsynth.networks"
_ALLOWED = frozenset({"torch", "monai"}) | sys.stdlib_module_names


@dataclass(frozen=True)
class Vendored:
    """Python files of a package and where the networks are in it.

    Args:
        package: unique name, e.g. ``medsynth_ab12cd34``.
        files: text by path below the package's folder.
        targets: for each role the dotted path of its class.
    """

    package: str
    files: Mapping[str, str]
    targets: Mapping[str, str]


class _Statement(NamedTuple):
    """An import statement: where it is, what it needs and what replaces it (None = stays)."""

    node: ast.Import | ast.ImportFrom
    needs: list[str]
    replacement: str | None


def vendor(networks: Mapping[str, nn.Module]) -> Vendored:
    """Collect the modules that define `networks` and everything they import from their plugin or medsynth.networks.

    Args:
        networks: by role, e.g. ``{"generator": ..., "classifier": ...}``; each role becomes a subpackage.

    Raises:
        RunError: a module imports anything but torch, MONAI, the standard library, its own plugin package and
            ``medsynth.networks``, or imports in a way that cannot be carried over.
    """
    files = {"__init__.py": '"""Network code of this bundle; needs torch and MONAI only."""\n'}
    classes = {}
    for role, network in networks.items():
        module, name = type(network).__module__, type(network).__qualname__
        if getattr(importlib.import_module(module), name, None) is not type(network):
            raise RunError(
                f"the {role}'s network class {module}.{name} cannot be imported by that name",
                hint="Define it at the top level of the plugin's network module.",
            )
        _Collector(role, module.partition(".")[0], files).collect(module)
        prefix = "networks" if _inside(module, _SHARED) else role
        inner = module.removeprefix(_SHARED if prefix == "networks" else module.partition(".")[0]).lstrip(".")
        classes[role] = ".".join(part for part in (prefix, inner, name) if part)
    for folder in {path.rpartition("/")[0] for path in files} - {""}:
        files.setdefault(f"{folder}/__init__.py", '"""Part of the network code."""\n')
    package = package_name(files)
    return Vendored(package, files, {role: f"{package}.{path}" for role, path in classes.items()})


def package_name(files: Mapping[str, str]) -> str:
    """Return the name of a package that holds these texts by path: equal code has equal names, other code another."""
    listing = "\0".join(f"{path}\0{text}" for path, text in sorted(files.items()))
    return f"medsynth_{hashlib.sha256(listing.encode()).hexdigest()[:8]}"


def _inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


class _Collector:
    """Copies one plugin's modules to ``<role>/`` and those of medsynth.networks to ``networks/``."""

    def __init__(self, role: str, plugin: str, files: dict[str, str]) -> None:
        self.role = role
        self.plugin = plugin
        self.files = files
        self.done: set[str] = set()

    def collect(self, module: str) -> None:
        """Copy `module` and, transitively, what it needs."""
        waiting = [module]
        while waiting:
            name = waiting.pop()
            if name in self.done:
                continue
            self.done.add(name)
            text, needed = self._rewrite(name)
            self.files[self._path(name)] = text
            waiting += needed
            # A package's __init__ runs before its modules; the plugin's own one declares hooks and stays behind.
            parent = name.rpartition(".")[0]
            if parent not in ("", self.plugin, "medsynth"):
                waiting.append(parent)

    def _place(self, module: str) -> str:
        """Return the dotted place of a module inside the vendored package."""
        if _inside(module, _SHARED):
            return "networks" + module.removeprefix(_SHARED)
        return self.role + module.removeprefix(self.plugin)

    def _path(self, module: str) -> str:
        spec = importlib.util.find_spec(module)
        is_package = spec is not None and spec.submodule_search_locations is not None
        return self._place(module).replace(".", "/") + ("/__init__.py" if is_package else ".py")

    def _rewrite(self, module: str) -> tuple[str, list[str]]:
        """Return the module's text with relative imports, and the modules it needs."""
        if module == self.plugin:
            raise RunError(
                f"the network code of '{module}' needs the plugin's __init__, which a bundle cannot carry",
                hint="Move what the network needs into the plugin's network module.",
            )
        text = _source(module)
        statements = [
            self._statement(module, node)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        for statement in sorted(statements, key=lambda s: (s.node.lineno, s.node.col_offset), reverse=True):
            if statement.replacement is not None:
                text = _replace(text, statement.node, statement.replacement)
        return text, [name for statement in statements for name in statement.needs]

    def _statement(self, module: str, node: ast.Import | ast.ImportFrom) -> _Statement:
        if isinstance(node, ast.Import):
            return self._plain_import(module, node)
        base = self._absolute(module, node)
        if not self._is_ours(base):
            self._check_allowed(module, base, node.lineno)
            return _Statement(node, [], None)
        below = [f"{base}.{alias.name}" for alias in node.names if _is_module(f"{base}.{alias.name}")]
        needs = below if len(below) == len(node.names) and base == self.plugin else [base, *below]
        names = ast.unparse(ast.ImportFrom(module="x", names=node.names, level=0)).removeprefix("from x ")
        return _Statement(node, needs, f"from {self._relative(module, base)} {names}")

    def _plain_import(self, module: str, node: ast.Import) -> _Statement:
        ours = [alias for alias in node.names if self._is_ours(alias.name)]
        for alias in node.names:
            if alias not in ours:
                self._check_allowed(module, alias.name, node.lineno)
        if not ours:
            return _Statement(node, [], None)
        alias = ours[0]
        parent, _, name = alias.name.rpartition(".")
        if len(node.names) > 1 or alias.asname is None or not parent:
            raise RunError(
                f"{module}, line {node.lineno}: '{ast.unparse(node)}' cannot be carried into a bundle",
                hint="Write 'from package import module' instead.",
            )
        return _Statement(node, [alias.name], f"from {self._relative(module, parent)} import {name} as {alias.asname}")

    def _is_ours(self, module: str) -> bool:
        return _inside(module, _SHARED) or (self.plugin != "medsynth" and _inside(module, self.plugin))

    def _absolute(self, module: str, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = module if self._path(module).endswith("/__init__.py") else module.rpartition(".")[0]
        return importlib.util.resolve_name("." * node.level + (node.module or ""), package)

    def _relative(self, module: str, base: str) -> str:
        """Return `base` as seen from `module`, both at their vendored places."""
        here = self._place(module).split(".")
        if not self._path(module).endswith("/__init__.py"):
            here = here[:-1]
        there = self._place(base).split(".")
        shared = 0
        while shared < min(len(here), len(there)) and here[shared] == there[shared]:
            shared += 1
        return "." * (len(here) - shared + 1) + ".".join(there[shared:])

    @staticmethod
    def _check_allowed(module: str, name: str, line: int) -> None:
        if name.partition(".")[0] not in _ALLOWED:
            raise RunError(
                f"{module}, line {line}: a network module may import torch, monai and the standard library, "
                f"not '{name}'; a bundle could not carry it",
                hint="Move the network into a module without this import.",
            )


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    loader = spec.loader if spec else None
    text = loader.get_source(module) if isinstance(loader, InspectLoader) else None
    if text is None:
        raise RunError(f"the source of network module '{module}' cannot be read", hint="Reinstall its plugin.")
    return text


def _replace(text: str, node: ast.Import | ast.ImportFrom, replacement: str) -> str:
    """Replace one statement; ast counts columns in UTF-8 bytes."""
    lines = text.encode().splitlines(keepends=True)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    head = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    tail = lines[node.end_lineno - 1][node.end_col_offset :] + b"".join(lines[node.end_lineno :])
    return (head + replacement.encode() + tail).decode()
