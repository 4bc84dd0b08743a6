"""Follows references and macros through the configs of a bundle."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from medsynth.bundle.audit.expression_texts import references
from medsynth.bundle.audit.ledger import Page
from medsynth.bundle.audit.limits import LIMITS
from medsynth.bundle.audit.structured import Node

_MACRO = re.compile(r"(?s)(.*\.(?:json|yaml|yml))(?:::|$)", re.IGNORECASE)
_ONLY_REFERENCE = re.compile(r"\$[\s(]*@[\w:#]+[\s)]*")


@dataclass(frozen=True)
class Config:
    """One config: its tree and where its findings go."""

    path: str
    tree: Node
    page: Page

    @property
    def is_prose(self) -> bool:
        """Whether addresses in it are read by people: MONAI fetches none of metadata.json's but the schema's."""
        return posixpath.basename(self.path) in ("metadata.json", "medsynth.json")


@dataclass
class References:
    """What ids stand for, in all configs together.

    Args:
        configs: by path below the bundle.
        lookups: values that may still be searched.
    """

    configs: Mapping[str, Config]
    lookups: int = LIMITS.lookups

    def file(self, path: str) -> Config | None:
        """Return the config that a macro includes."""
        plain = posixpath.normpath(path)
        return next((c for name, c in self.configs.items() if name == plain or name.endswith(f"/{plain}")), None)

    def meanings(self, node: Node) -> list[object]:
        """Return the values at the end of references and macros; those that lead nowhere stand for themselves."""
        found: dict[object, None] = {}
        seen: set[str] = set()
        waiting = [node]
        while waiting and len(seen) < LIMITS.depth:
            value = waiting.pop().value
            if isinstance(value, str) and value in seen:
                continue
            if isinstance(value, str):
                seen.add(value)
            there = self._follow(value) if isinstance(value, str) else []
            if not there or str(value).startswith("$"):
                found[value if isinstance(value, str) else None] = None
            waiting += there
        # Too many steps lead nowhere.
        return [*found, *(node.value for node in waiting[:1])] or [node.value]

    def _follow(self, text: str) -> list[Node]:
        """Return what a text stands for, if it is a macro, a reference, or an expression that is only a reference."""
        trees = [config.tree for config in self.configs.values()]
        if text.startswith("%"):
            path, ids = split_macro(text)
            included = self.file(path) if path else None
            return self._lookup([included.tree] if included else [] if path else trees, ids)
        ids = "".join(references(text)[:1])
        if ids and (text.startswith("@") or _ONLY_REFERENCE.fullmatch(text)):
            return self._lookup(trees, ids)
        return []

    def _lookup(self, trees: list[Node], path: str) -> list[Node]:
        """Return the nodes with an id; a relative one is searched at every level."""
        first, *steps = path.strip(":").split("::")
        if path.startswith("::"):
            nodes = self._anywhere.get(first, [])
        else:
            nodes = [inner for tree in trees for inner in tree.named(first)]
        for step in steps:
            self.lookups -= len(nodes)
            nodes = [inner for node in nodes for inner in node.named(step)] if self.lookups > 0 else []
        self.lookups -= len(nodes) + 1
        return nodes if self.lookups > 0 else []

    @cached_property
    def _anywhere(self) -> dict[str, list[Node]]:
        """Values by key, of all configs."""
        found: dict[str, list[Node]] = {}
        for config in self.configs.values():
            for node in below(config.tree):
                for key, inner in node.children():
                    found.setdefault(key.lstrip("+"), []).append(inner)
        return found


def split_macro(text: str) -> tuple[str, str]:
    """Return path and id of ``%path.json::id`` or ``%id``."""
    body = text[1:].replace("#", "::")
    match = _MACRO.match(body)
    return (match[1], body[match.end() :]) if match else ("", body)


def below(tree: Node) -> Iterator[Node]:
    """Yield every node once, shared ones too."""
    seen: set[int] = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting += [child for _, child in node.children()]


def texts(tree: Node) -> Iterator[str]:
    """Yield every text of a config."""
    return (node.value for node in below(tree) if isinstance(node.value, str))
