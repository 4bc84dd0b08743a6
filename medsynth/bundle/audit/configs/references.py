"""Follows references and macros through the configs of a bundle."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from medsynth.bundle.audit.configs.expression_texts import imported, references
from medsynth.bundle.audit.configs.structured import Node
from medsynth.bundle.audit.rules.findings import Page
from medsynth.bundle.audit.rules.sizes import LIMITS

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


class ConfigItem(NamedTuple):
    """A value of a config and its id.

    Args:
        place: keys and positions from the top, joined with ``::``.
        node: the value.
        appended: whether it is a list that is appended to another one, so that nobody knows its positions.
    """

    place: str
    node: Node
    appended: bool = False


@dataclass
class References:
    """What ids stand for, in all configs together.

    Args:
        configs: by path below the bundle.
        lookups: values that may still be searched.
    """

    configs: Mapping[str, Config]
    lookups: int = LIMITS.lookups
    _tops: dict[str, dict[str, list[ConfigItem]]] = field(default_factory=dict)

    def file(self, path: str) -> Config | None:
        """Return the config that a macro includes."""
        plain = posixpath.normpath(path)
        return next((c for name, c in self.configs.items() if name == plain or name.endswith(f"/{plain}")), None)

    def meanings(self, item: ConfigItem) -> list[ConfigItem]:
        """Return the values at the end of references and macros; those that lead nowhere stand for themselves."""
        found: list[ConfigItem] = []
        seen: set[object] = set()
        waiting = [item]
        while waiting and len(seen) < LIMITS.depth:
            here = waiting.pop()
            value = here.node.value
            key = value if isinstance(value, str) and not value.startswith("@::") else id(here.node)
            if key in seen:
                continue
            seen.add(key)
            there = self._follow(here)
            if not there or str(value).startswith("$"):
                found.append(here)
            waiting += there
        # Too many steps lead nowhere.
        return [*found, *waiting[:1]] or [item]

    def _follow(self, item: ConfigItem) -> list[ConfigItem]:
        """Return what a text stands for, if it is a macro, a reference, or an expression that is only a reference."""
        text = item.node.value
        if not isinstance(text, str):
            return []
        if text.startswith("%"):
            path, ids = split_macro(text)
            included = self.file(path) if path else None
            if path and included is None:
                return []
            return self.find(ids, item.place, included.path if included else "")
        ids = "".join(references(text)[:1])
        if ids and (text.startswith("@") or _ONLY_REFERENCE.fullmatch(text)):
            return self.find(ids, item.place)
        return []

    def find(self, path: str, place: str = "", file: str = "") -> list[ConfigItem]:
        """Return the values with an id, in one config or in all of them.

        Args:
            path: the id; one that begins with ``::`` is relative to `place`.
            place: id of the value that refers to it.
            file: path of the config, if it is only in one.
        """
        full = absolute(path, place)
        names = [file] if file else list(self.configs)
        found = [item for name in names for item in self._in_config(name, full)]
        self.lookups -= len(found) + len(names)
        if not found and self.lookups > 0:
            found = self._through_macros(full, names)
        return found if self.lookups > 0 else []

    def find_in_configs(self, path: str, place: str) -> list[ConfigItem]:
        """Return the values with an id, without those of files that describe the bundle to people."""
        names = [name for name, config in self.configs.items() if not config.is_prose]
        return [item for name in names for item in self.find(path, place, name)]

    def _through_macros(self, full: str, names: list[str]) -> list[ConfigItem]:
        """Return values whose id leads through a macro."""
        steps = full.split("::")
        for cut in range(len(steps) - 1, 0, -1):
            start, rest = "::".join(steps[:cut]), "::".join(steps[cut:])
            for item in [item for name in names for item in self._in_config(name, start)]:
                if isinstance(item.node.value, str) and item.node.value.startswith("%"):
                    self.lookups -= 1
                    return [inner for target in self._follow(item) for inner in self.find(f"{target.place}::{rest}")]
        return []

    def _in_config(self, name: str, full: str) -> list[ConfigItem]:
        """Return the values of one config with an id."""
        config = self.configs[name]
        if not full:
            return [ConfigItem("", config.tree)]
        if config.is_prose and full.startswith("_meta_::"):
            full = full.partition("::")[2]
        if name not in self._tops:
            tops: dict[str, list[ConfigItem]] = {}
            for item in children(ConfigItem("", config.tree)):
                tops.setdefault(item.place, []).append(item)
            self._tops[name] = tops
        steps = full.split("::")
        found: list[ConfigItem] = []
        for cut in range(1, len(steps) + 1):
            start, rest = "::".join(steps[:cut]), steps[cut:]
            found += [inner for item in self._tops[name].get(start, ()) for inner in _descend(item, rest)]
        return found

    def items(self, config: Config) -> Iterator[ConfigItem]:
        """Yield the values of a config with their ids, as many as the audit looks at."""
        waiting = [ConfigItem("", config.tree)]
        left = LIMITS.nodes
        while waiting and left > 0:
            left -= 1
            item = waiting.pop()
            yield item
            waiting += islice(children(item), left)

    @cached_property
    def changes(self) -> dict[str, list[tuple[str, ConfigItem]]]:
        """Values that a key such as ``train::trainer::amp``, or a merged mapping, sets in another one, by its id."""
        found: dict[str, list[tuple[str, ConfigItem]]] = {}
        for config in self.configs.values():
            for key, node in config.tree.children() if isinstance(config.tree.value, Mapping) else ():
                place = top(key)
                parent, _, last = place.rpartition("::")
                if parent:
                    found.setdefault(parent, []).append((last, ConfigItem(place, node)))
                if key.startswith("+") and isinstance(node.value, Mapping):
                    inner = [(name, ConfigItem(f"{place}::{name}", child)) for name, child in node.children()]
                    found.setdefault(place, []).extend(inner)
        return found

    @cached_property
    def import_texts(self) -> list[str]:
        """Import statements of all configs."""
        return self._imports[0]

    @cached_property
    def _imports(self) -> tuple[list[str], set[int]]:
        """Return the texts of import statements, and the identities of their nodes and of all that hold them."""
        parents: dict[int, list[int]] = {}
        found, waiting = [], []
        for config in self.configs.values():
            for node in below(config.tree):
                if isinstance(node.value, str):
                    text = node.value
                    if text.startswith("$") and "import" in text and imported(text) is not None:
                        found.append(text)
                        waiting.append(id(node))
                    continue
                for child in node.inner():
                    parents.setdefault(id(child), []).append(id(node))
        holders: set[int] = set()
        while waiting:
            node_id = waiting.pop()
            if node_id not in holders:
                holders.add(node_id)
                waiting += parents.get(node_id, [])
        return found, holders

    def holds_module(self, path: str, place: str) -> bool:
        """Return whether a reference gives a module, the value of an import statement, or something that holds one."""
        return any(id(item.node) in self._imports[1] for item in self.find(path, place))


def _descend(item: ConfigItem, steps: list[str]) -> list[ConfigItem]:
    """Return the values below one that keys and positions lead to."""
    found = [item]
    for step in steps:
        found = [
            ConfigItem(f"{here.place}::{step}", node)
            for here in found
            for node in (here.node.named(step) if not here.appended else _every(here.node, step))
        ]
    return found


def _every(node: Node, step: str) -> Iterator[Node]:
    """Yield all values of a list whose positions are not known."""
    yield from (child for _, child in node.children() if step.isdecimal())


def absolute(path: str, place: str) -> str:
    """Return an id from the top: each leading ``::`` of a relative one goes a level up from `place`."""
    if not path.startswith("::"):
        return path
    up = 0
    while path.startswith("::"):
        up, path = up + 1, path[2:]
    return "::".join([*place.split("::")[:-up], path]) if up <= place.count("::") + 1 else f"?::{path}"


def children(item: ConfigItem) -> Iterator[ConfigItem]:
    """Yield the values directly below one."""
    for key, node in item.node.children():
        if not item.place:
            yield ConfigItem(top(key), node, appended=key.startswith("+") and isinstance(node.value, list))
        else:
            yield ConfigItem(f"{item.place}::{key}", node)


def top(key: str) -> str:
    """Return the id that a key at the top of a config sets; ``+`` merges into what is there."""
    return key.removeprefix("+").replace("#", "::")


def split_macro(text: str) -> tuple[str, str]:
    """Return path and id of ``%path.json::id`` or ``%id``."""
    body = text[1:].replace("#", "::")
    match = _MACRO.match(body)
    return (match[1], body[match.end() :]) if match else ("", body)


def below(tree: Node) -> Iterator[Node]:
    """Yield every text, mapping and list once, shared ones too."""
    seen: set[int] = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting += node.inner()
