"""Plugins of other distributions: found, checked, loaded; broken ones named without harm to others."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medsynth import __version__
from medsynth.base.errors import PluginError
from medsynth.cli import app
from medsynth.plugins import FoundPlugin, Registry, check, find, probe

GOOD = """
from dataclasses import dataclass
from medsynth.api import EvaluatorConfig, EvaluatorSpec, hookimpl, option

@dataclass(frozen=True, kw_only=True)
class Config(EvaluatorConfig):
    k: int = option(5, "neighbors", low=1)

@hookimpl
def medsynth_evaluator():
    return EvaluatorSpec(name="NAME", summary="s", config=Config, factory="x:Y", api=API)
"""


def add_distribution(
    folder: Path, name: str, code: str, *, plugin: str = "", group: str = "evaluators", requires: str = ""
) -> Path:
    """Write an installed distribution by hand: metadata with one entry point, and its package."""
    package, plugin = name.replace("-", "_"), plugin or name
    info = folder / f"{package}-1.2.0.dist-info"
    info.mkdir(parents=True)
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.0\n{needs}")
    (info / "entry_points.txt").write_text(f"[medsynth.{group}]\n{plugin} = {package}\n")
    (folder / f"{package}.py").write_text(code)
    return folder


def good(name: str, api: int = 1) -> str:
    return GOOD.replace("NAME", name).replace("API", str(api))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


BROKEN = {
    "bad-import": ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
    "bad-exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "bad-hook": (good("bad-hook").replace("medsynth_evaluator", "medsynth_evaluater"), "medsynth_evaluater"),
    "bad-marker": (
        good("bad-marker").replace("@hookimpl\n", ""),
        "has no hook medsynth_evaluator marked with @hookimpl",
    ),
    "bad-api": (good("bad-api", api=99), f"written for plugin contract 99, medsynth {__version__} knows contract 1"),
    "bad-name": (good("other"), "its spec is named 'other', its entry point 'bad-name'"),
    "bad-field": (good("bad-field").replace('option(5, "neighbors", low=1)', "5"), "'k' has no default or no help"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_named_with_distribution_version_cause_and_next_step(site: Path, name: str) -> None:
    add_distribution(site, name, BROKEN[name][0])
    with pytest.raises(PluginError) as caught:
        Registry().load("evaluator", name)
    assert f"evaluator '{name}' from {name} 1.2.0 cannot be used" in caught.value.message
    assert BROKEN[name][1] in caught.value.message
    assert f"update {name}" in caught.value.hint


def test_a_broken_plugin_leaves_every_other_plugin_working(site: Path) -> None:
    for name, (code, _) in BROKEN.items():
        add_distribution(site, name, code)
    add_distribution(site, "fine", good("fine"))
    registry = Registry()
    for name in BROKEN:
        with pytest.raises(PluginError):
            registry.load("evaluator", name)
    assert registry.load("evaluator", "fine").name == "fine"
    assert registry.load("generator", "cyclegan").name == "cyclegan"


def test_two_distributions_with_one_name_are_both_refused(site: Path) -> None:
    add_distribution(site, "one", good("same"), plugin="same")
    add_distribution(site, "two", good("same"), plugin="same")
    with pytest.raises(PluginError, match=r"from one 1.2.0 cannot be used: the name is also declared by two 1.2.0"):
        Registry().load("evaluator", "same")


def test_a_third_party_cannot_take_a_built_in_name(site: Path) -> None:
    add_distribution(site, "thief", good("diagnostic"), plugin="diagnostic")
    registry = Registry()
    assert registry.load("evaluator", "diagnostic").factory.startswith("medsynth_diagnostic")
    status = {r.distribution: r.status for r in registry.found if r.name == "diagnostic"}
    assert status == {"medsynth-monai": "ready", "thief": "duplicate"}


def test_a_plugin_made_for_another_medsynth_is_refused_without_importing_it(site: Path) -> None:
    add_distribution(site, "future", "raise RuntimeError('imported')", requires="medsynth-monai>=99")
    with pytest.raises(PluginError, match=rf"it needs medsynth-monai>=99, this is medsynth-monai {__version__}"):
        Registry().load("evaluator", "future")


def test_a_blocked_plugin_is_not_loaded(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_distribution(site, "fine", good("fine"))
    monkeypatch.setenv("MEDSYNTH_BLOCK", "evaluator.fine")
    with pytest.raises(PluginError, match="blocked by MEDSYNTH_BLOCK"):
        Registry().load("evaluator", "fine")


def test_an_unknown_name_shows_the_nearest() -> None:
    with pytest.raises(PluginError, match=r"unknown classifier 'lsnett'\nDid you mean 'lsnet'"):
        Registry().load("classifier", "lsnett")


def test_finding_is_sorted_and_imports_nothing(site: Path) -> None:
    add_distribution(site, "zeta", "raise RuntimeError")
    add_distribution(site, "alpha", "raise RuntimeError")
    names = [record.name for record in find() if record.kind == "evaluator"]
    assert names == sorted(names)
    assert not {"zeta", "alpha"} & set(sys.modules)


def test_an_entry_point_listed_twice_counts_once(site: Path) -> None:
    add_distribution(site, "fine", good("fine"))
    assert [record.status for record in check(find()) if record.name == "fine"] == ["ready"]


def test_the_list_and_help_survive_broken_plugins_and_name_them(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (code, _) in BROKEN.items():
        add_distribution(site, name, code)
    add_distribution(site, "fine", good("fine"))
    monkeypatch.setenv("PYTHONPATH", str(site))
    modules = {name.replace("-", "_") for name in (*BROKEN, "fine")}
    for module in modules & set(sys.modules):
        monkeypatch.delitem(sys.modules, module)
    listed = CliRunner().invoke(app, ["plugins"], env={"COLUMNS": "200"})
    assert listed.exit_code == 0
    status = {line.split()[1]: line.split()[-1] for line in listed.stdout.splitlines()}
    assert {name: status[name] for name in BROKEN} == dict.fromkeys(BROKEN, "broken")
    assert status["fine"] == status["lsnet"] == "ready"
    assert "evaluator 'bad-import' from bad-import 1.2.0 is broken: ModuleNotFoundError" in listed.stderr
    assert "Reinstall or update bad-import" in listed.stderr
    assert not modules & set(sys.modules), "tried in this process"
    assert CliRunner().invoke(app, ["--help"]).exit_code == 0


def test_a_plugin_that_ends_the_process_at_import_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    record = FoundPlugin("evaluator", "x", "no_module", "dist", "1.0")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert probe([record])[0].cause.startswith("importing it ended the process")


def test_distributions_of_others_are_found_loaded_and_shown(
    example_plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(example_plugin))
    monkeypatch.setenv("PYTHONPATH", str(example_plugin))
    listed = json.loads(CliRunner().invoke(app, ["plugins", "--json"]).stdout)["plugins"]
    mine = {(p["kind"], p["name"], p["status"]) for p in listed if p["distribution"] != "medsynth-monai"}
    assert mine == {
        ("generator", "cut", "ready"),
        ("evaluator", "example-brightness", "ready"),
        ("observer", "example-journal", "ready"),
    }
    shown = CliRunner().invoke(app, ["plugins", "show", "cut"], env={"COLUMNS": "200"})
    assert "weight of the contrast between patches" in " ".join(shown.stdout.split())
