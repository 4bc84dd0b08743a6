"""JSON and YAML files as trees, without building any object that they ask for."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medsynth.bundle.audit.rules.findings import Page
from medsynth.bundle.audit.rules.sizes import LIMITS

Value = str | bool | int | float | None
_YAML = "tag:yaml.org,2002:"
_SCALARS = {f"{_YAML}{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")}
_HOLDERS = frozenset({str, dict, list})
_PLAIN = {"scalar": _SCALARS, "sequence": {f"{_YAML}seq"}, "mapping": {f"{_YAML}map"}}


@dataclass(frozen=True, eq=False)
class Node:
    """A value of a config.

    Args:
        value: scalar, mapping or sequence of nodes.
        line: where it begins, from 1; 0 if the reader does not say (JSON).
        shadowed: values whose key appears again later; MONAI only warns about them.
    """

    value: Value | Mapping[str, Node] | Sequence[Node]
    line: int = 0
    shadowed: tuple[tuple[str, Node], ...] = ()

    def children(self) -> Iterator[tuple[str, Node]]:
        """Yield keys and values, or positions and items."""
        if isinstance(self.value, Mapping):
            yield from self.value.items()
        elif isinstance(self.value, list):
            yield from ((str(position), node) for position, node in enumerate(self.value))
        yield from self.shadowed

    def inner(self) -> list[Node]:
        """Return the texts, mappings and lists directly below, without the numbers, of which there may be many."""
        kept = self.value.values() if isinstance(self.value, Mapping) else self.value
        nodes = [*kept] if not isinstance(kept, str | bool | int | float | None) else []
        return [node for node in nodes if type(node.value) in _HOLDERS] + [node for _, node in self.shadowed]

    def named(self, step: str) -> Iterator[Node]:
        """Yield the values that one step of an id may mean: of a key, or of a position."""
        if isinstance(self.value, Mapping):
            yield from (self.value[key] for key in (step,) if key in self.value)
        elif isinstance(self.value, list) and step.isdecimal() and len(step) < 9 and int(step) < len(self.value):
            yield self.value[int(step)]
        yield from (node for key, node in self.shadowed if key == step)

    def text(self, key: str) -> str | None:
        """Return the text at `key`, if this is a mapping that has one."""
        node = self.value.get(key) if isinstance(self.value, Mapping) else None
        return node.value if node is not None and isinstance(node.value, str) else None


def read_tree(data: bytes, suffix: str, page: Page) -> Node | None:
    """Return the file's content, or None after a finding if it cannot be read as MONAI reads it."""
    try:
        text = data.decode("utf-8-sig")
        if suffix == ".json":
            return _from_json(json.loads(text, object_pairs_hook=_Pairs), page)
        return _from_yaml(text, page)
    except UnicodeDecodeError:
        page.refuse("config", page.file, "is not UTF-8 text")
    except RecursionError:
        page.refuse("size", page.file, "is nested too deeply")
    except ValueError as error:
        page.refuse("config", page.file, f"cannot be read: {str(error).splitlines()[0]}")
    return None


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its duplicates."""


def _from_json(value: Any, page: Page) -> Node:
    if isinstance(value, _Pairs):
        return _mapping([(key, _from_json(inner, page)) for key, inner in value], 0, page)
    if isinstance(value, list):
        return Node([_from_json(inner, page) for inner in value])
    return Node(value)


def _mapping(pairs: list[tuple[str, Node]], line: int, page: Page, merged: Mapping[str, Node] | None = None) -> Node:
    own: dict[str, Node] = {}
    shadowed = []
    for key, node in pairs:
        if key in own:
            page.refuse(
                "config", key, "the key appears twice; readers differ in which value they take", _place(node.line)
            )
            shadowed.append((key, own[key]))
        own[key] = node
    return Node({**(merged or {}), **own}, line, tuple(shadowed))


def _place(line: int) -> str:
    return f"line {line}" if line else ""


def _from_yaml(text: str, page: Page) -> Node | None:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        page.trust("config", page.file, "YAML cannot be looked into without PyYAML: pip install pyyaml")
        return None
    if len(text) > LIMITS.yaml:
        page.refuse("size", f"{len(text)} characters", f"a YAML config may have {LIMITS.yaml}")
        return None
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    if len(documents) != 1:
        page.refuse("config", page.file, f"holds {len(documents)} YAML documents instead of one")
        return None
    return _YamlTree(page).node(documents[0])


class _YamlTree:
    """Turns the nodes of PyYAML's composer into ours; aliases stay shared."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.done: dict[int, Node] = {}
        self.open: set[int] = set()

    def node(self, source: Any) -> Node:
        """Return the tree below one of PyYAML's nodes."""
        if id(source) in self.open:
            raise ValueError("an alias contains itself")
        if id(source) not in self.done:
            self.open.add(id(source))
            self.done[id(source)] = self._convert(source)
            self.open.discard(id(source))
        return self.done[id(source)]

    def _convert(self, source: Any) -> Node:
        line = source.start_mark.line + 1
        if source.tag not in _PLAIN[source.id]:
            short = source.tag.removeprefix(_YAML)
            harmless = source.tag in {f"{_YAML}{name}" for name in ("binary", "set", "omap", "pairs")}
            write = self.page.trust if harmless else self.page.refuse
            write("yaml tag", f"!{short}", "asks the reader to build an object", _place(line))
        if source.id == "scalar":
            return Node(_scalar(source), line)
        if source.id == "sequence":
            return Node([self.node(item) for item in source.value], line)
        return self._mapping(source, line)

    def _mapping(self, source: Any, line: int) -> Node:
        merged: dict[str, Node] = {}
        pairs = []
        for key, value in source.value:
            if key.id != "scalar":
                self.page.refuse("config", key.id, "is a key; keys are texts", _place(line))
                pairs.append((f"<key of line {line}>", self.node(key)))
            name = str(key.value)
            if key.tag == f"{_YAML}merge":
                for part in reversed(value.value if value.id == "sequence" else [value]):
                    inner = self.node(part)
                    merged.update(inner.value if isinstance(inner.value, Mapping) else {})
            else:
                if key.id == "scalar" and key.tag not in _SCALARS:
                    self.page.refuse("yaml tag", key.tag, "asks the reader to build an object", _place(line))
                pairs.append((name, self.node(value)))
        return _mapping(pairs, line, self.page, merged)


def _scalar(source: Any) -> Value:
    text = str(source.value)
    kind = source.tag.removeprefix(_YAML)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("yes", "true", "on")
    if kind in ("int", "float", "timestamp"):
        return 0
    return text
