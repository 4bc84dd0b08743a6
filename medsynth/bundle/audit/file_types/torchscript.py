"""TorchScript code: a program in a subset of Python, whose operators are compared with a list."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

from medsynth.bundle.audit.rules.ledger import Page
from medsynth.bundle.audit.rules.wordlists import words

_OPERATORS = words("torchscript operators")
_PRIMITIVES = words("torchscript primitives")
_LANGUAGE = words("torchscript language")
_REFUSED = words("torchscript refused")


def audit_torchscript(data: bytes, page: Page) -> None:
    """Write findings about the operators of one code member of a TorchScript archive."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(data.decode())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            page.trust("torchscript", page.file, "is code that cannot be looked into")
            return
    try:
        strange = dict.fromkeys(_strange(tree))
    except RecursionError:
        page.refuse("size", page.file, "is nested too deeply")
        return
    for name, refused in strange:
        if refused:
            page.refuse("torchscript", name, "writes, reads or loads a file")
        else:
            page.trust("torchscript", name, "is no operator known to compute on tensors only")
    if not strange:
        page.allow("torchscript", "a program of tensor operators only")


def _strange(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Yield dotted names that are called and not in the lists, and whether they are refused."""
    nodes = list(ast.walk(tree))
    # Long names are bound to short ones first: _0 = __torch__.torch.nn.functional.interpolate
    bound: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and (value := _dotted(node.value)):
            bound.setdefault(_dotted(node.targets[0]), set()).add(value)
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and not _own_import(node):
            yield ast.unparse(node), False
        elif isinstance(node, ast.Call) and not isinstance(node.func, ast.Name | ast.Attribute):
            yield ast.unparse(node.func), False
        elif isinstance(node, ast.Call):
            name = _dotted(node.func)
            for meaning in sorted(bound.get(name, {name})):
                if not _known(meaning):
                    yield meaning, meaning.rpartition(".")[2] in _REFUSED


def _known(name: str) -> bool:
    root, _, rest = name.partition(".")
    if root == "torch" or name.startswith("ops.aten."):
        return rest.removeprefix("aten.").removeprefix("nn.functional.") in _OPERATORS
    if root == "ops":
        return name.startswith("ops.prim.") and name.rpartition(".")[2] in _PRIMITIVES
    # The rest are methods of values, functions of the program itself, and those of the language.
    return root in ("__torch__", "", "self") or "." in name or name in _LANGUAGE


def _own_import(node: ast.Import | ast.ImportFrom) -> bool:
    return isinstance(node, ast.Import) and all(alias.name.partition(".")[0] == "__torch__" for alias in node.names)


def _dotted(node: ast.expr) -> str:
    """Return ``a.b.c``; empty for a method of a computed value, which is a method of the program itself."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""
