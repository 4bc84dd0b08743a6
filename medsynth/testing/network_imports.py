"""What the module of an exported network imports."""

from __future__ import annotations

import ast
import importlib
import inspect


def imports_of(module: str, seen: set[str] | None = None) -> set[str]:
    """Return what a network module imports, following its own package and medsynth.networks."""
    seen = set() if seen is None else seen
    package = module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(importlib.import_module(module)))):
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [f"{package}.{node.module}" if node.level == 1 else node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name == "__future__":
                continue
            if name.startswith(("medsynth.networks", package + ".")):
                if name not in seen:
                    seen.add(name)
                    found |= imports_of(name, seen)
            else:
                found.add(name)
    return found
