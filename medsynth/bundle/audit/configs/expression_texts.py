"""The text of expressions and references, as MONAI reads it."""

from __future__ import annotations

import ast
import re
import warnings

from medsynth.bundle.audit.rules.sizes import LIMITS

REFERENCE = re.compile(r"@(?:\w*)(?:::\w*)*")
REFERENCES = "__local_refs"
"""Name of the mapping that MONAI puts in the place of references."""


def normalized(text: str) -> str:
    """Return an expression as MONAI evaluates it: references become items of a mapping, even inside quotes."""
    return REFERENCE.sub(lambda match: f"{REFERENCES}['{match[0][1:]}']", text[1:].replace("#", "::"))


def references(text: str) -> list[str]:
    """Return the ids that an expression, or a text that is nothing but a reference, refers to."""
    found: list[str] = REFERENCE.findall(text.replace("#", "::"))
    return [reference[1:] for reference in found] if text.startswith("$") or found == [text.replace("#", "::")] else []


def imported(text: str) -> tuple[str, str, str] | None:
    """Return module, name and alias of an expression that is an import statement."""
    tree = parse(text)
    statement = tree.body[0] if tree is not None and tree.body else None
    if isinstance(statement, ast.Import):
        alias = statement.names[0]
        return alias.name, "", alias.asname or alias.name
    if isinstance(statement, ast.ImportFrom):
        alias = statement.names[0]
        return "." * statement.level + (statement.module or ""), alias.name, alias.asname or alias.name
    return None


def parse(text: str) -> ast.Module | None:
    """Return the syntax tree of an expression; None if Python cannot read it, or it is too long."""
    if len(text) > LIMITS.expression:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(normalized(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def expression_of(text: str) -> ast.expr | None:
    """Return the syntax tree of a text that is one expression, and no import or other statement; else None."""
    tree = parse(text)
    statement = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    return statement.value if isinstance(statement, ast.Expr) else None


def reference_id(tree: ast.AST) -> str | None:
    """Return the id that a node of a syntax tree refers to, None if it is no reference."""
    if (
        isinstance(tree, ast.Subscript)
        and isinstance(tree.value, ast.Name)
        and tree.value.id == REFERENCES
        and isinstance(tree.slice, ast.Constant)
        and isinstance(tree.slice.value, str)
    ):
        return tree.slice.value
    return None


def builds_text(text: str) -> bool:
    """Return whether the value of an expression may be a text put together, so that nobody can read it beforehand."""
    tree = parse(text)
    if tree is None:
        return True
    parts = list(ast.walk(tree))
    indices = {id(part.slice) for part in parts if isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name)}
    return any(
        isinstance(node, ast.JoinedStr | ast.BinOp) or is_text(node) for node in parts if id(node) not in indices
    )


def is_text(node: ast.AST) -> bool:
    """Return whether a node is a constant text."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
