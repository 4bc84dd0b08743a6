"""Finds expressions that may put a new path together.

Writers of images take the name of the file that they write from what was read. Where a bundle lists a folder, these
are names of files in it; where an expression can put text together, they may be anything.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from medsynth.bundle.audit.configs.expression_texts import expression_of, imported, parse, reference_id
from medsynth.bundle.audit.configs.references import ConfigItem
from medsynth.bundle.audit.configs.sight import Bundle
from medsynth.bundle.audit.rules.names import outside
from medsynth.bundle.audit.rules.wordlists import words

_FUNCTIONS = frozenset({"chr", "bytes", "format", "repr", "open"})
_METHODS = words("text making methods")
_PATHS = words("text making functions")
_UNREAD = ("torch.device",)
"""What is given to these is no name of a file."""
Folders = Mapping[str, object]
"""Folders that the names of a comprehension were found in."""


def builds_path(bundle: Bundle, items: Iterable[ConfigItem], *, strict: bool) -> str:
    """Return the first expression that may put a path together; empty if none does.

    Args:
        bundle: what expressions can see.
        items: values of all configs.
        strict: also for parts of texts, which can turn a path into one from the root.
    """
    for item in items:
        text = item.node.value
        if isinstance(text, str) and text.startswith("$") and imported(text) is None:
            tree = parse(text)
            statement = tree.body[0] if tree is not None and tree.body else None
            if not isinstance(statement, ast.Expr) or _Builder(bundle, item.place, strict).builds(statement.value, {}):
                return text
    return ""


class _Builder:
    def __init__(self, bundle: Bundle, place: str, strict: bool) -> None:
        self.bundle = bundle
        self.place = place
        self.strict = strict

    def builds(self, node: ast.AST, folders: Folders) -> bool:
        """Return whether a node, or one below, may put a path together."""
        if isinstance(node, ast.BinOp | ast.JoinedStr | ast.Call) and self._known(node, folders):
            return False
        if isinstance(node, ast.Call) and self._unread(node):
            return False
        if isinstance(node, ast.Call) and self.bundle.names.paths(node.func) == ["os.path.relpath"]:
            return not self._below_its_folder(node, folders)
        if isinstance(node, ast.Attribute) and node.attr in ("name", "stem") and isinstance(node.value, ast.Attribute):
            inner = node.value.value if node.value.attr == "parent" else node.value
            return self.builds(inner, folders)
        if self._makes(node):
            return True
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            return self._comprehension(node, folders)
        if isinstance(node, ast.Lambda):
            every = {part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)}
            folders = {name: folder for name, folder in folders.items() if name not in every}
        return any(self.builds(child, folders) for child in ast.iter_child_nodes(node))

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, folders: Folders
    ) -> bool:
        for generator in node.generators:
            if self.builds(generator.iter, folders):
                return True
            names = [part.id for part in ast.walk(generator.target) if isinstance(part, ast.Name)]
            folder = self._found(generator.iter, folders) if isinstance(generator.target, ast.Name) else None
            folders = {**folders, **dict.fromkeys(names, folder)}
            if any(self.builds(condition, folders) for condition in generator.ifs):
                return True
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return any(self.builds(part, folders) for part in parts)

    def _known(self, node: ast.expr, folders: Folders) -> bool:
        """Return whether the values are known beforehand, and are paths inside or no paths at all."""
        if any(isinstance(part, ast.Name) and part.id in folders for part in ast.walk(node)):
            return False
        values = self.bundle.values.computed(node, self.place)
        if values is None:
            return False
        texts = [value for value in values if isinstance(value, str)]
        return not any(outside(text) or "\\" in text or ":/" in text for text in texts)

    def _unread(self, node: ast.Call) -> bool:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        return name == "print" or self.bundle.names.paths(node.func) in ([path] for path in _UNREAD)

    def _makes(self, node: ast.AST) -> bool:
        """Return whether a node by itself puts a text together or takes a part of one."""
        if isinstance(node, ast.JoinedStr):
            return True
        if isinstance(node, ast.BinOp):
            text = any(
                isinstance(side, ast.Constant) and isinstance(side.value, str) for side in (node.left, node.right)
            )
            return text or (isinstance(node.op, ast.Add) and self._texts(node))
        if isinstance(node, ast.Name):
            return node.id in _FUNCTIONS or bool({*self.bundle.names.paths(node)} & _PATHS)
        if isinstance(node, ast.Attribute):
            if paths := self.bundle.names.paths(node):
                return any(path in _PATHS or path.startswith("string.") for path in paths)
            return node.attr in _METHODS or (self.strict and node.attr == "replace")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "replace":
            return not _replaces_letters(node)
        return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and self._part(node, node.slice)

    @staticmethod
    def _texts(node: ast.BinOp) -> bool:
        """Return whether both sides of a sum may be texts: names bound by comprehensions, or calls of ``str``."""
        return all(
            (isinstance(side, ast.Call) and isinstance(side.func, ast.Name) and side.func.id == "str")
            or (isinstance(side, ast.Name | ast.Subscript | ast.JoinedStr) and reference_id(side) is None)
            for side in (node.left, node.right)
        )

    def _part(self, node: ast.Subscript, part: ast.Slice) -> bool:
        if isinstance(node.value, ast.Constant) or isinstance(
            self.bundle.values.computed(node.value, self.place), list
        ):
            return True
        if part.step is not None:
            return True
        if not self.strict or reference_id(node.value) is not None:
            return False
        bounds = [_number(part.lower), _number(part.upper)]
        first, last = bounds[0] or 0, bounds[1]
        single = last is not None and 0 <= last - first <= 1
        return not (single or part.lower is None)

    def _below_its_folder(self, node: ast.Call, folders: Folders) -> bool:
        """Return whether a path is made relative to the very folder that it was found in."""
        if len(node.args) != 2 or node.keywords or not isinstance(node.args[0], ast.Name):
            return False
        start = self.bundle.values.computed(node.args[1], self.place)
        return start is not None and folders.get(node.args[0].id) == frozenset(start)

    def _found(self, node: ast.expr, folders: Folders, depth: int = 0) -> object:
        """Return the folders that texts or paths were found in by listing them; None for anything else."""
        if depth > 8:
            return None
        if (path := reference_id(node)) is not None:
            items = self.bundle.references.find_in_configs(path, self.place)
            found = {self._found_in(item, depth + 1) for item in items}
            return found.pop() if len(found) == 1 else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("sorted", "list"):
            return self._found(node.args[0], folders, depth + 1) if len(node.args) == 1 else None
        if isinstance(node, ast.GeneratorExp | ast.ListComp) and len(node.generators) == 1:
            generator = node.generators[0]
            kept = node.elt
            if isinstance(kept, ast.Call) and isinstance(kept.func, ast.Name) and kept.func.id == "str" and kept.args:
                kept = kept.args[0]
            if isinstance(kept, ast.Name) and isinstance(generator.target, ast.Name) and kept.id == generator.target.id:
                return self._found(generator.iter, folders, depth + 1)
            return None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("glob", "rglob"):
            owner = node.func.value
            if isinstance(owner, ast.Call) and self.bundle.names.paths(owner.func) == ["pathlib.Path"]:
                start = self.bundle.values.computed(owner, self.place)
                return None if start is None else frozenset(start)
        return None

    def _found_in(self, item: ConfigItem, depth: int) -> object:
        text = item.node.value
        tree = expression_of(text) if isinstance(text, str) and text.startswith("$") else None
        return None if tree is None else _Builder(self.bundle, item.place, self.strict)._found(tree, {}, depth)


def _replaces_letters(node: ast.Call) -> bool:
    """Return whether letters are replaced by letters, so that no path arises that was not there."""
    texts = [part.value if isinstance(part, ast.Constant) else None for part in node.args]
    return len(texts) == 2 and all(
        isinstance(text, str) and any(map(str.isalnum, text)) and not set(text) & set("/\\") for text in texts
    )


def _number(node: ast.expr | None) -> int | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else None
