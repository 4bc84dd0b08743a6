"""Values that are known before a config runs: texts put together from constants, references and paths."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from medsynth.bundle.audit.configs.expression_texts import expression_of, parse, reference_id, references
from medsynth.bundle.audit.configs.references import ConfigItem, References
from medsynth.bundle.audit.rules.arguments import objection
from medsynth.bundle.audit.rules.targets import Names

_DATE = re.compile(r"%[YymdHMSfjpb]")
_MOST = 64
_DEEPEST = 12
GIVEN = {"bundle_root": "."}
"""What MONAI's users give with the command if no config has it."""


@dataclass(frozen=True)
class StaticValues:
    """Works out what values of one bundle are, where constants and references tell.

    Args:
        names: what names mean.
        references: what ids stand for.
    """

    names: Names
    references: References

    def of(self, item: ConfigItem, depth: int = 0) -> list[object] | None:
        """Return the values that an item of a config may have; None if they are not known."""
        found: list[object] = []
        for meaning in self.references.meanings(item):
            value = meaning.node.value
            if isinstance(value, str) and value.startswith("$"):
                part = self._expression(value, meaning.place, depth)
            elif isinstance(value, str) and value.startswith(("@", "%")):
                given = "".join(references(value)[:1])
                part = [GIVEN[given]] if value.startswith("@") and given in GIVEN else None
            else:
                part = [value] if isinstance(value, str | bool | int | float | None) else None
            if part is None or len(found) > _MOST:
                return None
            found += part
        return found

    def _expression(self, text: str, place: str, depth: int) -> list[object] | None:
        tree = expression_of(text)
        return None if tree is None or depth > _DEEPEST else self.computed(tree, place, depth + 1)

    def computed(self, tree: ast.expr, place: str, depth: int = 0) -> list[object] | None:
        """Return the values that an expression may have; None if they are not known."""
        if depth > _DEEPEST:
            return None
        if isinstance(tree, ast.Constant):
            return [tree.value]
        if (path := reference_id(tree)) is not None:
            found = self.references.find(path, place)
            if not found and path in GIVEN:
                return [GIVEN[path]]
            parts = [self.of(item, depth + 1) for item in found]
            return _joined(parts) if parts else None
        if isinstance(tree, ast.IfExp):
            return _joined([self.computed(tree.body, place, depth + 1), self.computed(tree.orelse, place, depth + 1)])
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
            parts = [self.computed(tree.operand, place, depth + 1)]
            return [not value for value in parts[0]] if parts[0] is not None else None
        return self._text(tree, place, depth + 1)

    def mapping(self, item: ConfigItem, depth: int = 0) -> str:
        """Return why an item is no mapping whose keys are plain words; empty if it is one, or nothing at all."""
        for meaning in self.references.meanings(item):
            value = meaning.node.value
            if isinstance(value, Mapping):
                reasons = [objection("word", [key], frozenset()) for key in value]
            elif isinstance(value, str) and value.startswith("$") and parse(value) is not None:
                inner = expression_of(value)
                if inner is None:
                    return "is a statement"
                reasons = [self.mapping_of(inner, meaning.place, depth + 1)]
            else:
                reasons = [] if value is None else ["is no mapping in the config"]
            if reason := next(filter(None, reasons), ""):
                return reason
        return ""

    def mapping_of(self, tree: ast.expr, place: str, depth: int = 0) -> str:
        """Return why an expression is no mapping whose keys are plain words; empty if it is one, or None."""
        if depth > _DEEPEST:
            return "is nested too deeply"
        if isinstance(tree, ast.Constant) and tree.value is None:
            return ""
        if isinstance(tree, ast.IfExp):
            return self.mapping_of(tree.body, place, depth + 1) or self.mapping_of(tree.orelse, place, depth + 1)
        if isinstance(tree, ast.Dict):
            keys = [self.computed(key, place) if key is not None else None for key in tree.keys]
            return next(filter(None, (objection("word", key, frozenset()) for key in keys)), "")
        if (path := reference_id(tree)) is not None:
            found = self.references.find(path, place)
            reasons = (self.mapping(item, depth + 1) for item in found)
            return next(filter(None, reasons), "") if found else "leads nowhere"
        return "is no mapping in the config"

    def _text(self, tree: ast.expr, place: str, depth: int) -> list[object] | None:
        """Return the texts that an expression puts together from known ones."""
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add | ast.Div):
            pieces = [tree.left, tree.right]
            separator = "/" if isinstance(tree.op, ast.Div) else ""
        elif isinstance(tree, ast.JoinedStr):
            if any(isinstance(part, ast.FormattedValue) and part.format_spec is not None for part in tree.values):
                return None
            pieces = [part.value if isinstance(part, ast.FormattedValue) else part for part in tree.values]
            separator = ""
        elif isinstance(tree, ast.Call) and not tree.keywords:
            return self._call(tree, place, depth)
        else:
            return None
        return self._together(pieces, separator, place, depth)

    def _call(self, tree: ast.Call, place: str, depth: int) -> list[object] | None:
        paths = self.names.paths(tree.func)
        if isinstance(tree.func, ast.Attribute) and tree.func.attr == "strftime" and len(tree.args) == 1:
            texts = self._together(tree.args, "", place, depth)
            plain = [_DATE.sub("0", str(text)) for text in texts or ()]
            return list(plain) if texts is not None and not any("%" in text for text in plain) else None
        simple = paths in (["os.path.join"], ["pathlib.Path"], ["os.path.normpath"])
        if simple or (isinstance(tree.func, ast.Name) and tree.func.id == "str" and len(tree.args) == 1):
            return self._together(tree.args, "/", place, depth)
        return None

    def _together(self, pieces: list[ast.expr], separator: str, place: str, depth: int) -> list[object] | None:
        values = [self.computed(piece, place, depth) for piece in pieces]
        known = [value for value in values if value is not None]
        if len(known) < len(values) or any(not isinstance(each, str) for value in known for each in value):
            return None
        choices = list(product(*known))[: _MOST + 1]
        if len(choices) > _MOST:
            return None
        texts = [tuple(map(str, choice)) for choice in choices]
        return [posixpath.join(*choice) if separator and choice else "".join(choice) for choice in texts]


def _joined(parts: list[list[object] | None]) -> list[object] | None:
    found: list[object] = []
    for part in parts:
        if part is None:
            return None
        found += part
    return found if len(found) <= _MOST else None
