"""What torch demands of an archive, and TorchScript code in it: a subset of Python with listed operators."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence

from medsynth.bundle.audit.file_types.archives import DEFLATED, PADDING, STORED, ZIP64, Entry
from medsynth.bundle.audit.rules.findings import Page
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


_PACKED_BY_TORCH = re.compile(r"[^/]+/code/.*\.(py|debug_pkl)")


def torch_objection(entries: Sequence[Entry]) -> str:
    """Return why torch would see an archive otherwise than its directory says; empty if it would not.

    torch strips the folder of the first member from all names, and compares names without regard to case.
    """
    folders = {entry.name.partition("/")[0] for entry in entries if "/" in entry.name}
    if len(folders) != 1 or not all("/" in entry.name for entry in entries):
        return "does not have all of its members in one folder"
    names = [entry.name.casefold() for entry in entries]
    if len(set(names)) < len(names):
        return "has two members whose names differ in case only"
    for entry in entries:
        if entry.extras - {ZIP64, PADDING}:
            return f"has an extra field at {entry.name!r} that torch does not write"
        if entry.method != STORED and not (entry.method == DEFLATED and _PACKED_BY_TORCH.fullmatch(entry.name)):
            return f"has {entry.name!r} packed, which torch stores"
    return ""
