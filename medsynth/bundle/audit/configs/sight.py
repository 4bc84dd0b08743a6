"""What the expressions of a bundle can see."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from medsynth.bundle.audit.configs.expression_texts import REFERENCES
from medsynth.bundle.audit.configs.references import References
from medsynth.bundle.audit.configs.static_values import StaticValues
from medsynth.bundle.audit.configs.value_kinds import ANY, Scope, ValueKinds, has_method
from medsynth.bundle.audit.rules.targets import (
    REFUSED_ATTRIBUTES,
    REFUSED_BUILTINS,
    SPECIAL,
    Names,
    Remark,
    refuse,
    trust,
)
from medsynth.bundle.audit.rules.wordlists import words


@dataclass(frozen=True)
class Bundle:
    """What the expressions of one bundle can see."""

    names: Names
    references: References
    values: StaticValues = field(init=False)
    kinds: ValueKinds = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", StaticValues(self.names, self.references))
        object.__setattr__(self, "kinds", ValueKinds(self.names, self.references))


class Sight:
    """What one expression can see, and what its names may stand for.

    Args:
        bundle: what all expressions of its bundle can see.
        place: id of the value that holds it.
    """

    def __init__(self, bundle: Bundle, place: str) -> None:
        self.bundle = bundle
        self.place = place

    def paths(self, node: ast.AST, scope: Scope) -> list[str]:
        """Return the dotted paths that a name with attributes stands for; none if its first name is bound here."""
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        return [] if isinstance(root, ast.Name) and root.id in scope else self.bundle.names.paths(node)

    def kind(self, node: ast.expr, scope: Scope) -> str:
        """Return the sort of a value."""
        return self.bundle.kinds.of(node, self.place, scope)

    def static(self, node: ast.expr, scope: Scope) -> list[object] | None:
        """Return the values that an expression may have, if they are known beforehand."""
        if any(isinstance(part, ast.Name) and part.id in scope for part in ast.walk(node)):
            return None
        return self.bundle.values.computed(node, self.place)

    def name(self, name: str, scope: Scope, known: frozenset[str]) -> Iterator[Remark]:
        """Yield an objection to a name that is neither bound around it nor one of the known built-ins."""
        if SPECIAL.fullmatch(name) or name == REFERENCES:
            yield refuse(name, "reaches into Python's internals")
        elif name in scope:
            return
        elif name in REFUSED_BUILTINS:
            yield refuse(name, "runs text or reaches Python's internals")
        elif name not in known:
            handed = name in words("functions")
            yield trust(name, "is handed on, so its arguments cannot be judged" if handed else "is an unknown name")

    @staticmethod
    def attribute(name: str, kind: str) -> Iterator[Remark]:
        """Yield an objection to an attribute that is not known to be harmless on values of a kind."""
        if SPECIAL.fullmatch(name):
            yield refuse(name, "reaches into Python's internals")
        elif name in REFUSED_ATTRIBUTES:
            yield refuse(name, "runs programs, writes, removes or reaches Python's internals")
        elif not has_method(kind, name) and name != "format":
            what = "a value of unknown type" if kind == ANY else f"a {kind}"
            yield trust(name, f"is an attribute that the audit does not know of {what}")
