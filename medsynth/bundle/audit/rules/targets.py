"""What a dotted name in a config may stand for, and what is said about it and other parts of an expression.

Judged by name only: MONAI would import it, and that already runs code.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass, field

from medsynth.bundle.audit.rules.arguments import rule_of
from medsynth.bundle.audit.rules.findings import Verdict
from medsynth.bundle.audit.rules.names import disguise
from medsynth.bundle.audit.rules.wordlists import components, libraries, reaching, words

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
SPECIAL = re.compile(r"__\w+__")

REFUSED_BUILTINS = words("refused builtins")
VALUES = words("values")
REFUSED_ATTRIBUTES = words("refused attributes")
_REFUSED_MODULES = words("refused modules")
_HIDDEN_MODULES = words("risky modules") | _REFUSED_MODULES
_REFUSED_PATHS = words("refused paths")
_SAFE_MODULES = words("safe modules")
_PACKAGES = frozenset({"monai", "torch", "np", "numpy", "ignite"})
_MEMBER = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reason."""

    verdict: Verdict
    reason: str = ""


OK = Judgement(Verdict.ALLOWED)


@dataclass(frozen=True)
class Names:
    """What names mean in one bundle.

    Args:
        own: top-level packages and modules that the bundle brings.
        aliases: dotted names that a name may stand for in an expression.
    """

    own: Collection[str] = frozenset()
    aliases: dict[str, set[str]] = field(default_factory=dict)

    def paths(self, node: ast.AST) -> list[str]:
        """Return the dotted paths that an attribute of an imported name may stand for; none for anything else."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            return []
        roots = self.aliases.get(node.id, {node.id} if node.id in self.own else set())
        return [".".join([root, *reversed(parts)]) for root in sorted(roots)]


def judge_target(name: str, names: Names) -> Judgement:
    """Judge a ``_target_``: a component's bare name or a dotted path; its arguments are judged by themselves."""
    bare = "." not in name
    if bare and any(name in members for members in components().values()):
        return OK
    if bare and name in REFUSED_BUILTINS | {"open", "getattr", "setattr", "input", "__import__"}:
        return Judgement(Verdict.REFUSED, "is a built-in function of Python, no component of MONAI")
    if bare and name in dir(builtins):
        return Judgement(Verdict.TRUST, "is a built-in of Python, no component of MONAI")
    if bare and (reach := _reach(name)):
        return Judgement(Verdict.TRUST, reach)
    return judge_path(name, names)


def _reach(path: str) -> str:
    """Return what a component of MONAI reaches out for, if it is listed with that."""
    last = path.rpartition(".")[2]
    kinds = {kind for kinds, found in reaching().items() for kind in kinds.split(", ") if last in found}
    verbs = {"fetch": "fetches", "unpickle": "unpickles", "start": "starts programs", "write": "writes files"}
    said = " and ".join(verbs.get(kind, "looks names up") for kind in sorted(kinds))
    return f"{said} on its own" if said else ""


def judge_value(path: str, names: Names) -> Judgement:
    """Judge a dotted path that is used as a value, so that nobody knows what it is called with."""
    judgement = judge_path(path, names)
    if judgement == OK and (rule := rule_of(path)) is not None and (rule.kinds or rule.required):
        return Judgement(Verdict.TRUST, "is handed on, so its arguments cannot be judged")
    return judgement


def judge_path(path: str, names: Names) -> Judgement:
    """Judge a dotted path such as ``torch.nn.Linear`` or ``scripts.net.Net``."""
    if reason := disguise(path):
        return Judgement(Verdict.REFUSED, reason)
    if not _NAME.fullmatch(path):
        return Judgement(Verdict.TRUST, "is no dotted name")
    parts = path.split(".")
    if any(SPECIAL.fullmatch(part) for part in parts):
        return Judgement(Verdict.REFUSED, "reaches into Python's internals")
    if hostile := _hostile(path, parts):
        return Judgement(Verdict.REFUSED, hostile)
    if parts[0] in names.own:
        return Judgement(Verdict.TRUST, "is code that the bundle brings")
    if smuggled := _smuggled(parts):
        return Judgement(Verdict.REFUSED, f"reaches '{smuggled}' through another package")
    if parts[0] == "monai":
        return _monai(parts)
    module, _, name = path.rpartition(".")
    if name in libraries().get(module, ()):
        return OK
    if path in _SAFE_MODULES:
        return Judgement(Verdict.TRUST, "is a whole module")
    if parts[0] in sys.stdlib_module_names | {"torch", "numpy", "ignite"}:
        return Judgement(Verdict.TRUST, "is not known to be harmless")
    return Judgement(Verdict.TRUST, "is of a package that is neither MONAI's, torch's nor the bundle's")


def judge_import(module: str, name: str, names: Names) -> Judgement:
    """Judge ``import module`` or ``from module import name``: names are judged again where they are used."""
    if name:
        full = f"{module}.{name}"
        return OK if full in _SAFE_MODULES else judge_path(full, names)
    if module in _SAFE_MODULES and module.partition(".")[0] not in names.own:
        return OK
    parts = module.split(".")
    if parts[0] == "monai" and ".".join(parts[1:]) in components():
        return OK
    return judge_path(module, names)


def _starts(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}.")


def _hostile(path: str, parts: list[str]) -> str:
    if parts[0] in _REFUSED_MODULES:
        return f"'{parts[0]}' can run anything, reach the network or load programs"
    if any(_starts(path, prefix) for prefix in _REFUSED_PATHS):
        return "runs, fetches, unpickles or removes what it is told to"
    if found := REFUSED_ATTRIBUTES.intersection(parts):
        return f"'{min(found)}' runs programs, writes, removes or reaches Python's internals"
    return ""


def _smuggled(parts: list[str]) -> str:
    """Return the module of the standard library that a path reaches inside another package, such as torch.x.os."""
    # A package of MONAI with the name of a module of the standard library.
    inner = parts[3:] if parts[:3] == ["monai", "transforms", "io"] else parts[1:]
    return next((part for part in inner if part in _HIDDEN_MODULES), "")


def _monai(parts: list[str]) -> Judgement:
    path = ".".join(parts)
    if path == "monai.__version__":
        return OK
    for area, members in components().items():
        depth = 1 + area.count(".") + 1
        if ".".join(parts[1:depth]) == area and len(parts) > depth:
            inner, last = parts[depth:-1], parts[-1]
            if last in members and not any(part.startswith("_") for part in inner) and not _PACKAGES & set(inner):
                return OK
            # A member of an enumeration, e.g. monai.utils.ForwardMode.TRAIN; a method is judged as one.
            if inner and inner[-1] in members and inner[-1][0].isupper() and _MEMBER.fullmatch(last):
                return OK
    reason = _reach(path) or "is not among MONAI's components known to be harmless"
    return Judgement(Verdict.TRUST, reason)


@dataclass(frozen=True)
class Remark:
    """One part of an expression that has a verdict of its own."""

    what: str
    judgement: Judgement


def trust(what: str, reason: str) -> Remark:
    """Return a remark on something that only a trusted bundle may do."""
    return Remark(what, Judgement(Verdict.TRUST, reason))


def refuse(what: str, reason: str) -> Remark:
    """Return a remark on something that no bundle needs."""
    return Remark(what, Judgement(Verdict.REFUSED, reason))
