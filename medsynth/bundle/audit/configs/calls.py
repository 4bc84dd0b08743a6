"""Calls in expressions: what is called, and with which arguments."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from string import Formatter
from typing import TYPE_CHECKING

from medsynth.bundle.audit.configs.expression_texts import is_text
from medsynth.bundle.audit.configs.value_kinds import ANY, Scope, has_method
from medsynth.bundle.audit.rules.arguments import Rule, objection, rule_of
from medsynth.bundle.audit.rules.targets import (
    OK,
    REFUSED_ATTRIBUTES,
    SPECIAL,
    VALUES,
    Remark,
    judge_path,
    refuse,
    trust,
)
from medsynth.bundle.audit.rules.wordlists import words

if TYPE_CHECKING:
    from medsynth.bundle.audit.configs.sight import Sight

UNPICKLES = "lets a file that is read run code"
_FUNCTIONS = words("functions")
_SWITCHES = words("switches")
_FILES = frozenset({"file", "filename"})
_MOST = 2
"""Arguments by position that an unknown function may be given: none writes to where its second one says."""


def unsafe_switch(name: str, value: object) -> bool:
    """Return whether a keyword argument turns off the protection against pickles."""
    return (name == "allow_pickle" and value is not False) or (name == "weights_only" and value is not True)


class Calls:
    """Judges the calls of one expression.

    Args:
        sight: what the expression can see.
        remarks_of: yields what is not plainly harmless in a part of the expression.
    """

    def __init__(self, sight: Sight, remarks_of: Callable[[ast.AST, Scope], Iterator[Remark]]) -> None:
        self.sight = sight
        self.remarks_of = remarks_of

    def remarks(self, node: ast.Call, scope: Scope) -> Iterator[Remark]:
        """Yield what is not plainly harmless in a call and below."""
        function = node.func
        if paths := self.sight.paths(function, scope):
            for path in paths:
                yield from self._path(path, node, scope)
        elif isinstance(function, ast.Name) and function.id not in scope:
            yield from self._builtin(function.id, node, scope)
        elif isinstance(function, ast.Attribute):
            yield from self._method(function, node, scope)
        else:
            yield from self.remarks_of(function, scope)
            if not isinstance(function, ast.Lambda):
                yield from self._unknown(node.args, node.keywords)
        for argument in node.args[self._looked_at(node, scope) :]:
            yield from self.remarks_of(argument, scope)
        for keyword in node.keywords:
            value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if keyword.arg is not None and unsafe_switch(keyword.arg, value):
                yield trust(f"{keyword.arg}={value!r}", UNPICKLES)
            yield from self.remarks_of(keyword.value, scope)

    def _looked_at(self, node: ast.Call, scope: Scope) -> int:
        """Return 1 for ``getattr`` and its like on a module, whose attribute was judged with it; else 0."""
        name = node.func.id if isinstance(node.func, ast.Name) and node.func.id not in scope else ""
        return int(
            name in ("getattr", "setattr", "hasattr")
            and bool(node.args)
            and bool(self.sight.paths(node.args[0], scope))
        )

    @staticmethod
    def _unknown(arguments: list[ast.expr], keywords: list[ast.keyword]) -> Iterator[Remark]:
        """Yield objections to arguments of a function that nobody knows beforehand."""
        if len(arguments) > _MOST or any(isinstance(argument, ast.Starred) for argument in arguments):
            yield trust("call", f"gives more than {_MOST} arguments to a function that is not known beforehand")
        if any(keyword.arg is None or keyword.arg in _FILES for keyword in keywords):
            yield trust("call", "may name a file for a function that is not known beforehand")

    def _path(self, path: str, node: ast.Call, scope: Scope) -> Iterator[Remark]:
        names = self.sight.bundle.names
        judgement = judge_path(path, names)
        shorter, _, last = path.rpartition(".")
        if judgement == OK:
            if (rule := rule_of(path)) is not None:
                yield from self._rule(path, rule, node, scope)
            if path == "functools.partial":
                yield from self._partial(node)
            elif path in ("functools.reduce", "itertools.accumulate"):
                yield from self._unknown([], node.keywords)
        elif last in REFUSED_ATTRIBUTES or not has_method(ANY, last) or judge_path(shorter, names) != OK:
            yield Remark(path, judgement)
        else:
            yield from self._arguments(last, ANY, node)

    @staticmethod
    def _partial(node: ast.Call) -> Iterator[Remark]:
        if len(node.args) != 1 or any(keyword.arg is None or keyword.arg in _FILES for keyword in node.keywords):
            yield trust("functools.partial", "gives arguments to a function that is not known beforehand")

    def _rule(self, path: str, rule: Rule, node: ast.Call, scope: Scope) -> Iterator[Remark]:
        """Yield objections to the arguments of something that writes, fetches, loads or looks up."""
        given: dict[str, ast.expr] = {}
        order = list(rule.kinds)
        if rule.others and node.args and path != "print" and set(rule.kinds.values()) - {"any"}:
            yield trust(path, "is given arguments by position; give them by name")
            return
        for position, argument in enumerate(node.args):
            if isinstance(argument, ast.Starred) or (position >= len(order) and not rule.others):
                yield trust(path, "is given arguments that cannot be told apart")
                return
            given[order[position] if position < len(order) and path != "print" else f"*{position}"] = argument
        for keyword in node.keywords:
            if keyword.arg is None:
                yield trust(path, "is given arguments that cannot be told apart")
                return
            given[keyword.arg] = keyword.value
        for name in sorted(rule.required - given.keys()):
            yield trust(f"{path} {name}", "must be given")
        for name, value in given.items():
            if reason := self._objection(rule.kind(name), value, scope):
                yield trust(f"{path} {name}", reason)

    def _objection(self, kind: str, value: ast.expr, scope: Scope) -> str:
        if kind == "stream":
            streams = self.sight.paths(value, scope)
            return "" if streams and set(streams) <= {"sys.stdout", "sys.stderr"} else "is no stream of the terminal"
        if kind == "mapping":
            bound = any(isinstance(part, ast.Name) and part.id in scope for part in ast.walk(value))
            bundle, place = self.sight.bundle, self.sight.place
            return "is put together when it runs" if bound else bundle.values.mapping_of(value, place)
        return objection(kind, self.sight.static(value, scope), frozenset(self.sight.bundle.names.own))

    def _builtin(self, name: str, node: ast.Call, scope: Scope) -> Iterator[Remark]:
        yield from self.sight.name(name, scope, VALUES | _FUNCTIONS)
        if name in ("getattr", "setattr", "hasattr"):
            yield from self._by_name(name, node, scope)
        elif name == "open":
            reads = _reads(node)
            yield trust("open", "reads a file") if reads else refuse("open", "writes a file")
        elif name in ("map", "filter") and (len(node.args) != _MOST or isinstance(node.args[1], ast.Starred)):
            yield trust(name, "gives several arguments to a function that is not known beforehand")
        elif name == "print" and (rule := rule_of("print")) is not None:
            yield from self._rule("print", rule, node, scope)

    def _by_name(self, name: str, node: ast.Call, scope: Scope) -> Iterator[Remark]:
        """Yield remarks on an attribute that is named by a text."""
        key = node.args[1] if len(node.args) > 1 else node
        if not isinstance(key, ast.Constant) or not is_text(key) or not isinstance(key.value, str):
            if name != "hasattr":
                yield refuse(name, "reaches an attribute whose name is computed")
            else:
                yield trust(name, "looks for an attribute whose name is computed")
            return
        attribute = key.value
        if SPECIAL.fullmatch(attribute) or attribute in REFUSED_ATTRIBUTES:
            yield refuse(name, "reaches an attribute that runs programs, writes, removes or leads inside Python")
        owners = self.sight.paths(node.args[0], scope)
        if name == "setattr":
            plain = len(node.args) == 3 and isinstance(node.args[2], ast.Constant)
            if not plain or not owners or {f"{owner}.{attribute}" for owner in owners} - _SWITCHES:
                yield trust(name, "changes something that the audit does not know")
        elif owners:
            chain = ast.Attribute(node.args[0], attribute, ast.Load())
            yield from self.remarks_of(chain, scope)
        else:
            yield from self.sight.attribute(attribute, self.sight.kind(node.args[0], scope))
            if attribute in ("format", "replace", "copy"):
                yield trust(attribute, "is handed on, so its arguments cannot be judged")

    def _method(self, function: ast.Attribute, node: ast.Call, scope: Scope) -> Iterator[Remark]:
        kind = self.sight.kind(function.value, scope)
        yield from self.sight.attribute(function.attr, kind)
        if function.attr == "format":
            yield from _format(function.value)
        else:
            yield from self._arguments(function.attr, kind, node)
        yield from self.remarks_of(function.value, scope)

    @staticmethod
    def _arguments(name: str, kind: str, node: ast.Call) -> Iterator[Remark]:
        if name == "replace" and (len(node.args) < _MOST or node.keywords):
            yield trust("replace", "renames a file if it is called on a path")
        if name == "copy" and (node.args or node.keywords):
            yield trust("copy", "copies a file if it is called on a path")
        if kind == ANY and any(keyword.arg in _FILES for keyword in node.keywords):
            yield trust(name, "may name a file for a function that is not known beforehand")


def _format(text: ast.expr) -> Iterator[Remark]:
    """Yield an objection to a template that is computed, or whose fields reach attributes or items."""
    if not isinstance(text, ast.Constant) or not isinstance(text.value, str):
        yield trust("format", "fills a text that is not known beforehand, which may reach attributes")
        return
    if not all(field.isalnum() or not field for field in _fields(text.value)):
        yield refuse(text.value, "reaches attributes from within a text")


def _fields(template: str, depth: int = 0) -> Iterator[str]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        yield "?"
        return
    for _, name, inner, _ in parts:
        if name is not None:
            yield name.replace("_", "") if "." not in name and "[" not in name else "?"
            yield from _fields(inner or "", depth + 1) if depth < _MOST else ("?",)


def _reads(node: ast.Call) -> bool:
    """Return whether a call of ``open`` plainly opens for reading."""
    modes = [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg in ("mode", None))]
    return all(
        isinstance(mode, ast.Constant) and isinstance(mode.value, str) and set(mode.value) <= set("rbt")
        for mode in modes
    )
