"""What sort of value an expression has, as far as it matters for the methods that it may use."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from medsynth.bundle.audit.configs.expression_texts import expression_of, imported, reference_id
from medsynth.bundle.audit.configs.references import ConfigItem, References
from medsynth.bundle.audit.rules.targets import Names
from medsynth.bundle.audit.rules.wordlists import components, words

Scope = Mapping[str, str]
"""Names bound by lambdas and comprehensions around an expression, with the sorts of their values."""
ANY = "any"
MISSING = "missing"
"""The sort of what an id stands for that is in no config: MONAI stops there, unless its user gives the value."""
_DEEPEST = 12
_AREAS = {
    "networks.nets": "network",
    "networks.blocks": "network",
    "networks.layers": "network",
    "networks.schedulers": "optimizer",
    "losses": "network",
    "engines": "engine",
    "optimizers": "optimizer",
    "handlers": "handler",
    "inferers": "inferer",
    "transforms": "data",
    "data": "data",
}
_PREFIXES = {
    "torch.nn.": "network",
    "torch.jit.load": "network",
    "torch.optim.": "optimizer",
    "torch.utils.data.": "data",
    "ignite.engine.Engine": "engine",
    "ignite.handlers.": "handler",
}
_MADE = {
    "pathlib.Path": "path",
    "pathlib.PurePath": "path",
    "pathlib.PurePosixPath": "path",
    "datetime.datetime.now": "time",
    "datetime.datetime.today": "time",
    "datetime.datetime.utcnow": "time",
    "datetime.date.today": "time",
    "logging.getLogger": "logger",
}
_PARTS = {("engine", "logger"): "logger", ("engine", "network"): "network", ("engine", "optimizer"): "optimizer"}
_SAME = words("same")
KINDS = ("any", "path", "time", "network", "engine", "logger", "optimizer", "inferer", "handler", "data")
_METHODS = {kind: words(f"methods of {kind}") for kind in KINDS}


def has_method(kind: str, name: str) -> bool:
    """Return whether an expression may use an attribute of a value of a kind."""
    if kind == MISSING:
        return any(name in methods for methods in _METHODS.values())
    return name in _METHODS[kind] or (kind not in ("any", "path") and name in _METHODS["any"])


@dataclass(frozen=True)
class ValueKinds:
    """Tells sorts of values apart, in the expressions of one bundle."""

    names: Names
    references: References

    def of(self, tree: ast.expr, place: str, scope: Scope, depth: int = 0) -> str:
        """Return the sort of an expression's value; ``any`` if it is plain data or not known."""
        if depth > _DEEPEST:
            return ANY
        if isinstance(tree, ast.Name) and tree.id in scope:
            return scope[tree.id]
        if (path := reference_id(tree)) is not None:
            return self.referred(path, place, depth)
        if isinstance(tree, ast.Call):
            return self._call(tree, place, scope, depth)
        if isinstance(tree, ast.Attribute):
            owner = self.of(tree.value, place, scope, depth + 1)
            if owner == "path" and tree.attr in _SAME:
                return "path"
            return _PARTS.get((owner, tree.attr), ANY)
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Div):
            return "path" if self.of(tree.left, place, scope, depth + 1) == "path" else ANY
        return ANY

    def _call(self, tree: ast.Call, place: str, scope: Scope, depth: int) -> str:
        bound = any(isinstance(node, ast.Name) and node.id in scope for node in ast.walk(tree.func))
        paths = [] if bound else self.names.paths(tree.func)
        if paths:
            return _agreed({_MADE.get(path) or kind_of_target(path) for path in paths})
        if isinstance(tree.func, ast.Attribute):
            owner = self.of(tree.func.value, place, scope, depth + 1)
            return owner if tree.func.attr in _SAME else ANY
        return ANY

    def elements(self, tree: ast.expr, place: str, scope: Scope) -> str:
        """Return the sort of what a comprehension goes through."""
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in ("sorted", "list"):
            return self.elements(tree.args[0], place, scope) if tree.args else ANY
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Attribute):
            lists = tree.func.attr in ("glob", "rglob", "iterdir")
            return "path" if lists and self.of(tree.func.value, place, scope) == "path" else ANY
        return ANY

    def referred(self, path: str, place: str, depth: int = 0) -> str:
        """Return the sort of what a reference gives."""
        found = self.references.find(path, place)
        return _agreed({self._item(item, depth + 1) for item in found}) if found else MISSING

    def _item(self, item: ConfigItem, depth: int) -> str:
        kinds = set()
        for meaning in self.references.meanings(item):
            value = meaning.node.value
            if isinstance(value, Mapping) and "_target_" in value:
                target = value["_target_"].value
                kinds.add(kind_of_target(target) if isinstance(target, str) else ANY)
            elif isinstance(value, str) and value.startswith("$") and imported(value) is None:
                tree = expression_of(value)
                kinds.add(ANY if tree is None else self.of(tree, meaning.place, {}, depth + 1))
            else:
                kinds.add(ANY)
        return _agreed(kinds)


def kind_of_target(target: str) -> str:
    """Return the sort of what a component makes."""
    for area, kind in _AREAS.items():
        if target.rpartition(".")[2] in components()[area] and ("." not in target or target.startswith("monai.")):
            return kind
    return next((kind for prefix, kind in _PREFIXES.items() if target.startswith(prefix)), ANY)


def _agreed(kinds: set[str]) -> str:
    return kinds.pop() if len(kinds) == 1 else ANY
