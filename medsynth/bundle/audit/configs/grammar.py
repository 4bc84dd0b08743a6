"""The expressions that need no trust: a part of Python, with the names that each place can see."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from medsynth.bundle.audit.configs.calls import Calls
from medsynth.bundle.audit.configs.expression_texts import REFERENCE, REFERENCES, imported, parse, reference_id
from medsynth.bundle.audit.configs.sight import Bundle, Sight
from medsynth.bundle.audit.configs.value_kinds import ANY, Scope, has_method
from medsynth.bundle.audit.rules.names import disguise, is_address, looks_like_path_outside
from medsynth.bundle.audit.rules.sizes import LIMITS
from medsynth.bundle.audit.rules.targets import (
    OK,
    SPECIAL,
    VALUES,
    Judgement,
    Remark,
    judge_import,
    judge_path,
    judge_value,
    refuse,
    trust,
)
from medsynth.bundle.audit.rules.wordlists import words

_NODES = (
    ast.Constant, ast.Name, ast.Load, ast.Store, ast.Attribute, ast.Subscript, ast.Slice, ast.Call, ast.keyword,
    ast.Starred, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Lambda, ast.arguments, ast.arg,
    ast.JoinedStr, ast.FormattedValue, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
_CALLED_ONLY = frozenset({"format", "replace", "copy"})
"""Methods whose arguments decide whether they are harmless, so that they are no values."""


class Grammar(Sight):
    """Walks one expression.

    Args:
        bundle: what it can see.
        place: id of the value that holds it.
    """

    def __init__(self, bundle: Bundle, place: str) -> None:
        super().__init__(bundle, place)
        self.calls = Calls(self, self.remarks)

    def remarks(self, node: ast.AST, scope: Scope) -> Iterator[Remark]:
        """Yield what is not plainly harmless at or below a node.

        Args:
            node: part of the expression.
            scope: names that lambdas and comprehensions around it bind.
        """
        if not isinstance(node, _NODES):
            yield trust(type(node).__name__, "is no part of the expressions that the audit knows")
        if isinstance(node, ast.Lambda):
            yield from self._lambda(node, scope)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            yield from self._comprehension(node, scope)
        elif isinstance(node, ast.Call):
            yield from self.calls.remarks(node, scope)
        elif isinstance(node, ast.Attribute | ast.Name):
            yield from self._value(node, scope)
        elif isinstance(node, ast.Subscript) and (path := reference_id(node)) is not None:
            yield from self.reference(path)
        elif isinstance(node, ast.Subscript) and self._environment(node, scope):
            return
        else:
            if isinstance(node, ast.Constant):
                yield from self._constant(node.value)
            yield from self._below(node, scope)

    def _below(self, node: ast.AST, scope: Scope) -> Iterator[Remark]:
        if isinstance(node, ast.BinOp) and self._appended(node):
            yield from self.remarks(node.left, scope)
            return
        for child in ast.iter_child_nodes(node):
            yield from self.remarks(child, scope)

    def reference(self, path: str) -> Iterator[Remark]:
        """Yield an objection to a reference that gives a module, whose functions no list would stop."""
        if self.bundle.references.holds_module(path, self.place):
            yield refuse(f"@{path}", "gives a module as a value")

    def _lambda(self, node: ast.Lambda, scope: Scope) -> Iterator[Remark]:
        """Yield remarks on defaults, which see the names around the lambda, and on the body, which sees its own."""
        given = node.args
        for default in [*given.defaults, *(value for value in given.kw_defaults if value is not None)]:
            yield from self.remarks(default, scope)
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        names = [argument.arg for argument in every if argument is not None]
        for name in names:
            yield from self._bound(name)
        yield from self.remarks(node.body, {**scope, **dict.fromkeys(names, ANY)})

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: Scope
    ) -> Iterator[Remark]:
        for generator in node.generators:
            if generator.is_async:
                yield trust("async", "is no part of the expressions that the audit knows")
            yield from self.remarks(generator.iter, scope)
            kind = self.bundle.kinds.elements(generator.iter, self.place, scope)
            if not isinstance(generator.target, ast.Name):
                kind = ANY
            names = [part.id for part in ast.walk(generator.target) if isinstance(part, ast.Name)]
            for name in names:
                yield from self._bound(name)
            for part in ast.walk(generator.target):
                if not isinstance(part, ast.Name | ast.Tuple | ast.List | ast.Starred | ast.Store | ast.Load):
                    yield trust(type(part).__name__, "changes something in a comprehension")
            scope = {**scope, **dict.fromkeys(names, kind)}
            for condition in generator.ifs:
                yield from self.remarks(condition, scope)
        for part in [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]:
            yield from self.remarks(part, scope)

    def _bound(self, name: str) -> Iterator[Remark]:
        if SPECIAL.fullmatch(name) or name.startswith(REFERENCES):
            yield refuse(name, "reaches into Python's internals")

    def _value(self, node: ast.Attribute | ast.Name, scope: Scope) -> Iterator[Remark]:
        """Yield remarks on a name or an attribute that is not called here."""
        if paths := self.paths(node, scope):
            for path in paths:
                if (judgement := self._path(path)) != OK:
                    yield Remark(path, judgement)
        elif isinstance(node, ast.Name):
            yield from self.name(node.id, scope, VALUES)
        else:
            yield from self.attribute(node.attr, self.kind(node.value, scope))
            if node.attr in _CALLED_ONLY:
                yield trust(node.attr, "is handed on, so its arguments cannot be judged")
            yield from self.remarks(node.value, scope)

    def _path(self, path: str) -> Judgement:
        """Judge a path, or the path before a harmless attribute of what it names."""
        judgement = judge_value(path, self.bundle.names)
        shorter, _, last = path.rpartition(".")
        harmless = has_method(ANY, last) and last not in _CALLED_ONLY
        if judgement != OK and harmless and judge_path(shorter, self.bundle.names) == OK:
            return OK
        return judgement

    @staticmethod
    def _constant(value: object) -> Iterator[Remark]:
        if not isinstance(value, str):
            return
        if SPECIAL.search(value):
            yield refuse(value, "names Python's internals")
        if is_address(value):
            yield trust(value, "is an address that may be fetched")
        if reason := looks_like_path_outside(value):
            yield trust(value, reason)

    def _environment(self, node: ast.Subscript, scope: Scope) -> bool:
        """Return whether one harmless variable of the environment is read."""
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        return self.paths(node.value, scope) == ["os.environ"] and key in words("environment")

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


@dataclass(frozen=True)
class Expressions:
    """Judges the expressions of one bundle."""

    bundle: Bundle

    def judge(self, text: str, place: str) -> list[Remark]:
        """Return remarks on everything in an expression that is not plainly harmless; none if all of it is.

        Args:
            text: the expression with its ``$``.
            place: id of the value that holds it.
        """
        if len(text) > LIMITS.expression:
            return [refuse(text, "is longer than any expression needs")]
        if reason := disguise(text.replace("\n", " ").replace("\t", " ")):
            return [refuse(text, reason)]
        tree = parse(text)
        if tree is None or len(tree.body) != 1:
            return [trust(text, "is not one expression of Python")]
        statement = tree.body[0]
        if imported(text) is not None:
            return self._import(text, statement)
        if not isinstance(statement, ast.Expr):
            return [trust(text, "is a statement, not an expression")]
        try:
            remarks = list(dict.fromkeys(Grammar(self.bundle, place).remarks(statement.value, {})))
        except RecursionError:
            return [refuse(text, "is nested too deeply")]
        if _quoted(text, statement.value):
            remarks.append(refuse(text, "a reference inside quotes changes what is evaluated"))
        return remarks

    def _import(self, text: str, statement: ast.stmt) -> list[Remark]:
        module, name, _ = imported(text) or ("", "", "")
        judgement = judge_import(module, name, self.bundle.names)
        remarks = [] if judgement == OK else [Remark(".".join(filter(None, (module, name))), judgement)]
        if len(getattr(statement, "names", [])) != 1:
            remarks.append(trust(text, "imports several names at once; MONAI takes the first"))
        return remarks


def _quoted(text: str, tree: ast.expr) -> bool:
    """Return whether some reference did not become an item of the mapping of references."""
    names = sum(isinstance(node, ast.Name) and node.id == REFERENCES for node in ast.walk(tree))
    return names != len(REFERENCE.findall(text[1:].replace("#", "::")))
