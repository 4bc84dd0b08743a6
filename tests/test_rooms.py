"""The rooms of medsynth: what may import what, and how much one folder or file holds.

Imports are read from the source, so that lazy ones and those for type checkers count, too.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = (
    "api",
    "base",
    "confinement",
    "hookspecs",
    "plugins",
    "reading",
    "data",
    "networks",
    "statistics",
    "training",
    "adversarial",
    "supervised",
    "plan",
    "bundle",
    "inference",
    "report",
    "results",
    "flow",
    "studies",
    "door",
    "readers",
    "testing",
    "scaffold",
    "cli",
)
"""From the bottom up: a room imports itself and those before it."""
DOORS = ("medsynth", "medsynth.__main__")
"""What stands above all rooms."""
MODULES_IN_A_FOLDER, MODULES_AT_THE_TOP, LINES = 12, 6, 350
OFTEN_NAMED = ("__init__", "config")
"""Files that mean the same in every room: what it exports, and its options."""


@cache
def modules() -> dict[str, Path]:
    """Return the modules of medsynth by their dotted name."""
    found = {}
    for path in sorted((ROOT / "medsynth").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, known: Collection[str]) -> Iterator[str]:
    """Yield the modules that a file imports, medsynth's own by their full name; others by the first part of it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else str(node.module) for name in inside]
        else:
            continue
        yield from (name if name.partition(".")[0] == "medsynth" else name.partition(".")[0] for name in names)


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Return a circle of what imports each other, the first also at the end; empty if all can be put in an order."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: set(imported(path, known)) for name, path in known.items()}


def room(module: str) -> str:
    return module.split(".")[1]


def test_a_circle_is_found_where_there_is_one():
    assert set(circle({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})) == {"a", "b", "c"}
    assert circle({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_no_room_imports_one_above_it(graph):
    ours = {name: {to for to in graph[name] if to.startswith("medsynth")} for name in graph if name not in DOORS}
    assert {room(name) for name in ours} <= set(ORDER)
    climbs = [
        f"{name} imports {to}"
        for name, targets in ours.items()
        for to in sorted(targets)
        if to in DOORS or ORDER.index(room(to)) > ORDER.index(room(name))
    ]
    assert climbs == []


def test_no_files_import_each_other_in_a_circle(graph):
    assert circle(graph) == []


def test_no_folders_import_each_other_in_a_circle(graph):
    """Whatever lies in one folder, files and folders alike, can be put in an order."""
    beside: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name, targets in graph.items():
        for to in targets & graph.keys():
            one, other = name.split("."), to.split(".")
            same = next((k for k, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
            if same is not None:
                beside[".".join(one[:same])][one[same]].add(other[same])
    assert {folder: found for folder, below in beside.items() if (found := circle(below))} == {}


def test_networks_need_nothing_but_torch_and_monai(graph):
    python = {"__future__", "collections", "contextlib", "dataclasses", "functools", "itertools", "math", "typing"}
    used = {to for name, targets in graph.items() if name.startswith("medsynth.networks") for to in targets}
    assert {to for to in used if not to.startswith("medsynth.networks")} <= python | {"torch", "monai"}


def test_a_class_name_means_one_thing():
    where = defaultdict(list)
    for name, path in modules().items():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                where[node.name].append(name)
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


def test_a_file_name_means_one_thing():
    """But for the commands, whose files are named after what they do with something else."""
    where = defaultdict(list)
    for name, path in modules().items():
        if path.stem not in OFTEN_NAMED and not name.startswith("medsynth.cli."):
            where[path.stem].append(name)
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


def test_folders_and_files_stay_small():
    held = defaultdict(list)
    for path in modules().values():
        if path.stem != "__init__":
            held[path.parent].append(path.name)
    top = held.pop(ROOT / "medsynth")
    assert len(top) < MODULES_AT_THE_TOP
    assert {folder: names for folder, names in held.items() if len(names) > MODULES_IN_A_FOLDER} == {}
    files = [*modules().values(), *(ROOT / "plugins").rglob("*.py")]
    long = {path: lines for path in files if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LINES}
    assert long == {}
