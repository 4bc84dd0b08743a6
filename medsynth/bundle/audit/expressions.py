"""A grammar for ``$`` expressions, checked on Python's syntax tree without evaluating anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from medsynth.bundle.audit.expression_texts import REFERENCE, REFERENCES, imported, is_text, parse
from medsynth.bundle.audit.findings import Verdict
from medsynth.bundle.audit.limits import LIMITS
from medsynth.bundle.audit.names import disguise, is_address, looks_like_path_outside
from medsynth.bundle.audit.targets import (
    OK,
    REFUSED_ATTRIBUTES,
    REFUSED_BUILTINS,
    SAFE_BUILTINS,
    SPECIAL,
    Judgement,
    Names,
    judge_import,
    judge_path,
)
from medsynth.bundle.audit.wordlists import words

_NODES = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Store, ast.Attribute, ast.Subscript, ast.Slice, ast.Call,
    ast.keyword, ast.Starred, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare,
    ast.IfExp, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Lambda, ast.arguments,
    ast.arg, ast.JoinedStr, ast.FormattedValue, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
METHODS = words("methods")


@dataclass(frozen=True)
class Remark:
    """One part of an expression that has a verdict of its own."""

    what: str
    judgement: Judgement


def judge_expression(text: str, names: Names) -> list[Remark]:
    """Return remarks on everything in an expression that is not plainly harmless; none if all of it is."""
    if len(text) > LIMITS.expression:
        return [Remark(text, Judgement(Verdict.REFUSED, "is longer than any expression needs"))]
    if reason := disguise(text.replace("\n", " ").replace("\t", " ")):
        return [Remark(text, Judgement(Verdict.REFUSED, reason))]
    tree = parse(text)
    if tree is None or len(tree.body) != 1:
        return [Remark(text, Judgement(Verdict.TRUST, "is not one expression of Python"))]
    if (found := imported(text)) is not None:
        judgement = judge_import(found[0], found[1], names)
        extra = [] if len(getattr(tree.body[0], "names", [])) == 1 else [Remark(text, _several())]
        return ([] if judgement == OK else [Remark(".".join(filter(None, found[:2])), judgement)]) + extra
    statement = tree.body[0]
    if not isinstance(statement, ast.Expr):
        return [Remark(text, Judgement(Verdict.TRUST, "is a statement, not an expression"))]
    grammar = _Grammar(names, statement.value)
    try:
        remarks = list(dict.fromkeys(grammar.remarks(statement.value)))
    except RecursionError:
        return [Remark(text, Judgement(Verdict.REFUSED, "is nested too deeply"))]
    if _quoted(text, statement.value):
        remarks.append(Remark(text, Judgement(Verdict.REFUSED, "a reference inside quotes changes what is evaluated")))
    return remarks


def _several() -> Judgement:
    return Judgement(Verdict.TRUST, "imports several names at once; MONAI takes the first")


def _quoted(text: str, tree: ast.expr) -> bool:
    """Return whether some reference did not become an item of the mapping of references."""
    names = sum(isinstance(node, ast.Name) and node.id == REFERENCES for node in ast.walk(tree))
    return names != len(REFERENCE.findall(text[1:].replace("#", "::")))


class _Grammar:
    """Walks one expression."""

    def __init__(self, names: Names, tree: ast.expr) -> None:
        self.names = names
        nodes = list(ast.walk(tree))
        self.bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        self.bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}

    def remarks(self, node: ast.AST) -> Iterator[Remark]:
        """Yield what is not plainly harmless at or below a node."""
        if not isinstance(node, _NODES):
            yield self._trust(type(node).__name__, "is no part of the expressions that the audit knows")
        if isinstance(node, ast.Attribute | ast.Name) and (path := self._path(node)):
            yield from self._module_path(path)
            return
        if isinstance(node, ast.Subscript) and self._is_reference(node):
            return
        if isinstance(node, ast.Name):
            yield from self._name(node.id)
        elif isinstance(node, ast.arg):
            yield from self._name(node.arg)
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node.attr)
        elif isinstance(node, ast.Constant):
            yield from self._constant(node.value)
        elif isinstance(node, ast.Call):
            yield from self._call(node)
        elif isinstance(node, ast.BinOp) and self._appended(node):
            yield from self.remarks(node.left)
            return
        for child in ast.iter_child_nodes(node):
            yield from self.remarks(child)

    @staticmethod
    def _trust(what: str, reason: str) -> Remark:
        return Remark(what, Judgement(Verdict.TRUST, reason))

    @staticmethod
    def _refuse(what: str, reason: str) -> Remark:
        return Remark(what, Judgement(Verdict.REFUSED, reason))

    def _path(self, node: ast.AST) -> list[str]:
        """Return the parts of a dotted path whose first part is an imported name; empty for anything else."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            return []
        known = node.id in self.names.aliases or node.id in self.names.own
        return [node.id, *reversed(parts)] if known else []

    def _module_path(self, parts: list[str]) -> Iterator[Remark]:
        for root in sorted(self.names.aliases.get(parts[0], {parts[0]})):
            path = ".".join([root, *parts[1:]])
            judgement = self._constant_of_module(path)
            if judgement != OK:
                yield Remark(path, judgement)

    def _constant_of_module(self, path: str) -> Judgement:
        """Judge a path, or the path before a harmless method of what it names."""
        judgement = judge_path(path, self.names)
        shorter, _, last = path.rpartition(".")
        if judgement.verdict is Verdict.TRUST and last in METHODS and judge_path(shorter, self.names) == OK:
            return OK
        return judgement

    @staticmethod
    def _is_reference(node: ast.Subscript) -> bool:
        return (
            isinstance(node.value, ast.Name)
            and node.value.id == REFERENCES
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        )

    def _name(self, name: str) -> Iterator[Remark]:
        if SPECIAL.fullmatch(name) or name == REFERENCES:
            yield self._refuse(name, "reaches into Python's internals")
        elif name in REFUSED_BUILTINS:
            yield self._refuse(name, "runs text or reaches Python's internals")
        elif name not in SAFE_BUILTINS and name not in self.bound and not name.startswith(REFERENCES):
            yield self._trust(name, "is a name that the audit does not know")

    def _attribute(self, name: str) -> Iterator[Remark]:
        if SPECIAL.fullmatch(name):
            yield self._refuse(name, "reaches into Python's internals")
        elif name in REFUSED_ATTRIBUTES:
            yield self._refuse(name, "runs programs, writes, removes or reaches Python's internals")
        elif name not in METHODS:
            yield self._trust(name, "is an attribute that the audit does not know")

    def _constant(self, value: object) -> Iterator[Remark]:
        if not isinstance(value, str):
            return
        if SPECIAL.search(value):
            yield self._refuse(value, "names Python's internals")
        if is_address(value):
            yield self._trust(value, "is an address that may be fetched")
        if reason := looks_like_path_outside(value):
            yield self._trust(value, reason)

    @staticmethod
    def _appended(node: ast.BinOp) -> bool:
        """Return whether a text is added to something else, so that its first slash only separates."""
        right = node.right
        text = right.value if isinstance(right, ast.Constant) else None
        return (
            isinstance(node.op, ast.Add)
            and isinstance(text, str)
            and not isinstance(node.left, ast.Constant)
            and not looks_like_path_outside(text.lstrip("/"))
            and SPECIAL.search(text) is None
        )

    def _call(self, node: ast.Call) -> Iterator[Remark]:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        attribute = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name in ("getattr", "setattr") and not is_text(node.args[1] if len(node.args) > 1 else node):
            yield self._refuse(name, "reaches an attribute whose name is computed")
        if name in ("getattr", "setattr", "hasattr") and any(
            isinstance(part, ast.Constant) and part.value in REFUSED_ATTRIBUTES for part in node.args
        ):
            yield self._refuse(name, "reaches an attribute that runs programs, writes or removes")
        if name == "open" and not _reads(node):
            yield self._refuse("open", "writes a file")
        if attribute == "replace" and len(node.args) + len(node.keywords) == 1:
            yield self._trust("replace", "renames a file if it is called on a path")
        for keyword in node.keywords:
            yield from self._switch(keyword)

    def _switch(self, keyword: ast.keyword) -> Iterator[Remark]:
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        if keyword.arg is not None and unsafe_switch(keyword.arg, value):
            yield self._trust(f"{keyword.arg}={value!r}", UNPICKLES)


UNPICKLES = "lets a file that is read run code"


def unsafe_switch(name: str, value: object) -> bool:
    """Return whether a keyword argument turns off the protection against pickles."""
    return (name == "allow_pickle" and value is not False) or (name == "weights_only" and value is not True)


def _reads(node: ast.Call) -> bool:
    """Return whether a call of ``open`` plainly opens for reading."""
    modes = [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg in ("mode", None))]
    return all(
        isinstance(mode, ast.Constant) and isinstance(mode.value, str) and set(mode.value) <= set("rbt")
        for mode in modes
    )
