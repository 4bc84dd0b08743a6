"""What a ``$`` expression may hold, checked on Python's syntax tree without evaluating anything."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from medsynth.bundle.audit.configs.expression_texts import REFERENCE, REFERENCES, imported, parse
from medsynth.bundle.audit.configs.grammar import Grammar
from medsynth.bundle.audit.configs.sight import Bundle
from medsynth.bundle.audit.rules.names import disguise
from medsynth.bundle.audit.rules.remarks import Remark, refuse, trust
from medsynth.bundle.audit.rules.sizes import LIMITS
from medsynth.bundle.audit.rules.targets import OK, judge_import


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
