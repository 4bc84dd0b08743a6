"""The site: its pages, the figures that they repeat, and its versions."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable

import pytest
import yaml

from medsynth.base.version import __version__
from tests.docs.commands import ROOT

KEEP: Callable[..., list[str]] = runpy.run_path(str(ROOT / ".ci/site_versions.py"))["keep_version"]


def test_figures_of_the_decision_tables_are_those_of_the_results():
    sources = [*(ROOT / "docs/results").glob("*.md"), ROOT / "docs/phantom.md"]
    measured = {
        figure for path in sources if path.name != "index.md" for figure in _figures(path.read_text(encoding="utf-8"))
    }
    for page in ("choosing.md", "results/index.md"):
        rows = [line for line in (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
        shown = _figures("\n".join(rows))
        assert shown, page
        assert sorted(shown - measured) == [], page


def _figures(text: str) -> set[str]:
    """Return what was measured: times, numbers with decimals, and those of four digits."""
    plain = re.sub(r"`[^`]*`|\]\([^)]*\)", " ", text)
    return set(re.findall(r"(?<![\d.,:])(?:\d+:\d\d|\d+\.\d+|\d,?\d{3})(?![\d:])", plain))


def test_every_page_has_a_place_in_the_navigation_and_every_entry_a_page():
    def pages(entry: object) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        inner = entry.values() if isinstance(entry, dict) else entry
        return [page for part in inner for page in pages(part)]

    listed = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert sorted(listed) == sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))


def test_a_built_site_is_kept_as_a_version_beside_earlier_ones(tmp_path):
    for version, text in (("0.9", "old"), ("0.10", "new")):
        (tmp_path / "latest").mkdir(exist_ok=True)
        (tmp_path / "latest/index.html").write_text(text)
        KEEP(tmp_path, version)
    assert [(tmp_path / name / "index.html").read_text() for name in ("0.9", "0.10", "latest")] == ["old", "new", "new"]
    listed = json.loads((tmp_path / "versions.json").read_text())
    assert [(one["version"], one["aliases"]) for one in listed] == [("0.10", ["latest"]), ("0.9", [])]
    assert 'url=latest/"' in (tmp_path / "index.html").read_text()


def test_what_is_no_version_or_no_site_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="no version"):
        KEEP(tmp_path, "../1")
    with pytest.raises(SystemExit, match="no built site"):
        KEEP(tmp_path, __version__)
    assert list(tmp_path.iterdir()) == []
