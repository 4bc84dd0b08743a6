"""Every warning of the code, and each main error, has an entry in the page on troubleshooting."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from medsynth.base import errors
from tests.docs.commands import ROOT

PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
KIND = re.compile("[a-z]+(-[a-z]+)+")
NAMED = re.compile("([a-z]+(?:[ -][a-z]+)?): ")


@cache
def _trees() -> dict[Path, ast.Module]:
    """Return all modules of the core and of the built-in plugins."""
    return {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for folder in ("medsynth", "plugins")
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def _texts(tree: ast.AST) -> Iterator[str]:
    """Return all constant texts, of those with values in them the constant parts joined by spaces."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield " ".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _start(node: ast.AST) -> str:
    """Return what a text begins with, before the first value in it."""
    while isinstance(node, ast.BinOp):
        node = node.left
    first = node.values[0] if isinstance(node, ast.JoinedStr) else node
    return str(first.value) if isinstance(first, ast.Constant) else ""


def _kinds_of_runs() -> Iterator[str]:
    """Return the kinds that are given to `warn`, and those that functions return as `Warned`, beside a text."""
    for tree in _trees().values():
        for node in ast.walk(tree):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr == "warn" and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)
            if isinstance(node, ast.FunctionDef) and node.returns and "Warned" in ast.unparse(node.returns):
                for pair in (inner for inner in ast.walk(node) if isinstance(inner, ast.Tuple) and inner.elts):
                    yield from filter(KIND.fullmatch, [_start(pair.elts[0])])


def _kinds_of_generators() -> Iterator[str]:
    """Return the names of what is seen in training, which stand before the first colon of a text."""
    tree = _trees()[ROOT / "medsynth/training/monitoring.py"]
    for node in ast.walk(tree):
        texts = node.elts if isinstance(node, ast.List) else node.args if isinstance(node, ast.Call) else []
        for text in texts:
            if isinstance(text, ast.JoinedStr | ast.BinOp) and (match := NAMED.match(_start(text))):
                yield match[1].replace(" ", "-")


def _kinds_of_scores() -> Iterator[str]:
    """Return evaluator and score of those scores that can carry a warning, up to the first value in the name."""
    for path, tree in _trees().items():
        if not path.is_relative_to(ROOT / "plugins"):
            continue
        evaluator = path.parent.name.removeprefix("medsynth_")
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            warned = any(word.arg == "warning" for word in call.keywords)
            if warned and call.args:
                yield f"{evaluator}-{_start(call.args[0])}".replace("_", "-")


@cache
def _kinds() -> frozenset[str]:
    return frozenset({*_kinds_of_runs(), *_kinds_of_generators(), *_kinds_of_scores()})


def test_the_kinds_are_found_in_the_code():
    assert {"left-out", "patients-unknown", "look-alikes-across-splits", "constant-slices"} <= _kinds()
    assert {"observer-failed", "checkerboard"} <= _kinds()
    assert len(set(_check_texts())) > 6
    assert {"contrast-inversion", "detached", "farther", "one-sided", "exploding-loss", "collapse"} <= _kinds()
    assert {"privacy-memorized", "privacy-membership-auc", "no-held-out-source", "equal-images"} <= _kinds()


def test_every_kind_of_warning_has_an_anchor():
    assert sorted(_kinds() - {*HEADINGS}) == []


def _check_texts() -> Iterator[str]:
    """Return how the warnings of `data check` begin that have no kind: all texts that join a list of warnings."""
    for node in ast.walk(_trees()[ROOT / "medsynth/data/check.py"]):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.append":
            text = node.args[0]
            if isinstance(text, ast.JoinedStr) and not _start(text):  # one of two words, by a condition
                yield from (part for part in _texts(text.values[0]) if len(part) > 4)
            else:
                yield _start(text)
        if isinstance(node, ast.ListComp) and _start(node.elt):
            yield _start(node.elt)


def test_every_warning_of_a_check_is_explained():
    texts = {text.strip(" ,:") for text in _check_texts()}
    # "left out" lists what the kind left-out counts
    assert sorted(text for text in texts if f"`{text}`" not in PAGE and not text.startswith("left out")) == []


def test_warnings_of_python_and_of_commands_are_explained():
    spoken = []
    for tree in _trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn":
                spoken.append(_start(node.args[0]).partition(",")[0])
        spoken += [text[9:].partition(":")[0] for text in _texts(tree) if re.match("warning: [a-z]", text)]
    assert len(spoken) >= 2
    assert [text for text in spoken if f"`{text}`" not in PAGE] == []


def test_every_kind_of_error_is_named_and_each_message_that_is_quoted_is_one_of_the_code():
    part = PAGE.partition("## Errors")[2]
    names = [name for name, value in vars(errors).items() if isinstance(value, type) and name != "MedsynthError"]
    assert [name for name in names if f"`{name}`" not in part] == []
    code = [text for tree in _trees().values() for text in _texts(tree)]
    entries = re.findall(r"^### .+\n\n(.+)$", part, re.MULTILINE)
    assert len(entries) > 12
    for entry in entries:
        quoted = re.findall("`([^`]+)`", entry.partition(":")[0])
        assert quoted, entry
        for message in quoted:
            pieces = message.split(" ... ")
            assert any(all(piece in text for piece in pieces) for text in code), message


def test_no_anchor_is_there_twice_and_links_lead_to_entries():
    anchors = [re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in HEADINGS]
    assert len(set(anchors)) == len(anchors)
    for document in (ROOT / "docs").rglob("*.md"):
        for anchor in re.findall(r"troubleshooting\.md#([\w-]+)", document.read_text(encoding="utf-8")):
            assert anchor in anchors, f"{document.name}: {anchor}"
