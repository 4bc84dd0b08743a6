"""New distributions: they pass their contracts as written, and grow into what the documents show."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medsynth.api import EvaluatorConfig, EvaluatorSpec
from medsynth.base.errors import InputError, PluginError
from medsynth.cli import app
from medsynth.plugins import KINDS, Registry
from medsynth.scaffold.writing import write_distribution
from medsynth.testing.contract_run import clauses
from tests.newcomer import blocks, files, install, write_cut

OWN_LINES = 60


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith(("medsynth_cut", "medsynth_toy"))]:
        del sys.modules[name]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Registry, "registered", {})


def check(*arguments: str) -> tuple[int, list[dict[str, str]]]:
    done = CliRunner().invoke(app, ["plugins", "check", *arguments, "--json"])
    return done.exit_code, json.loads(done.stdout)["clauses"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_distribution_is_installable_and_keeps_its_contract_as_written(
    kind: str, site: Path, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, ["plugins", "new", kind, f"toy-{kind}", "--out", str(tmp_path / "new")])
    assert done.exit_code == 0, done.stderr
    written = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert {Path(line).relative_to(tmp_path / "new").as_posix() for line in done.stdout.split()} == written
    assert {"pyproject.toml", "README.md", ".github/workflows/tests.yml"} < written
    install(tmp_path / "new", site)
    importlib.invalidate_caches()
    code, found = check(f"toy-{kind}", *(["--set", "generator.width=4"] if kind == "generator" else []))
    assert [clause["sentence"] for clause in found if clause["fault"]] == []
    assert code == 0
    assert len(found) >= 5
    (test,) = (tmp_path / "new" / "tests").glob("test_*.py")
    assert f'name = "toy-{kind}"' in test.read_text()
    compile(test.read_text(), test, "exec")


def test_a_newcomers_generator_needs_few_lines_and_keeps_the_contract(site: Path, tmp_path: Path) -> None:
    write_distribution("generator", "cut", tmp_path / "bare")
    given = {line.strip() for path in (tmp_path / "bare/src").rglob("*.py") for line in path.read_text().splitlines()}
    shown = [text for place, text in files().items() if place.startswith("src/")]
    own = [line for text in shown for line in text.splitlines() if line.strip() not in given]
    assert len(shown) == 3
    assert 40 < len(own) <= OWN_LINES
    install(write_cut(tmp_path / "cut"), site)
    importlib.invalidate_caches()
    code, found = check("cut", "--set", "generator.width=4", "--set", "generator.discriminator_width=4")
    assert (code, [clause for clause in found if clause["fault"]]) == (0, [])


@pytest.mark.usefixtures("registered")
def test_the_notebooks_generator_runs_as_the_page_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    known: dict[str, object] = {"__name__": "__main__"}
    for block in blocks():
        if not block.startswith("# "):
            exec(block, known)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) >= 6
    assert [line for line in printed if not line.startswith("kept")] == []
    assert Registry().record("generator", "near").distribution == "this process"


def test_a_broken_clause_is_named_and_ends_with_exit_code_1(site: Path, tmp_path: Path) -> None:
    write_distribution("evaluator", "toy-wrong", tmp_path / "new")
    model = tmp_path / "new/src/medsynth_toy_wrong/model.py"
    model.write_text(model.read_text().replace('evaluator="toy-wrong"', 'evaluator="other"'))
    install(tmp_path / "new", site)
    importlib.invalidate_caches()
    code, found = check("toy-wrong")
    assert code == 1
    assert [clause["fault"] for clause in found if clause["fault"]] == ["scores name the evaluator {'other'}"]


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("generater", "new", r"unknown kind 'generater'\nDid you mean 'generator'"),
        ("generator", "My Plugin", "'My Plugin' is no name of a plugin"),
        ("generator", "cyclegan", "there is a generator 'cyclegan' already"),
        ("generator", "new", "exists already"),
    ],
)
def test_what_cannot_be_started_is_refused_and_nothing_is_written(
    kind: str, name: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=message):
        write_distribution(kind, name, tmp_path / "new")
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "mine.txt"]


@pytest.mark.usefixtures("registered")
def test_what_is_registered_wrongly_or_under_a_taken_name_is_refused() -> None:
    wrong = EvaluatorSpec(name="mine", summary="s", config=int, factory=list)
    with pytest.raises(PluginError, match="config <class 'int'> is no dataclass"):
        Registry.register(wrong)
    taken = EvaluatorSpec(name="diagnostic", summary="s", config=EvaluatorConfig, factory=list)
    with pytest.raises(PluginError, match="an installed plugin has that name"):
        Registry.register(taken)
    assert Registry.registered == {}


@pytest.mark.usefixtures("registered")
def test_a_contract_says_what_is_wrong_with_a_plugin_that_fails() -> None:
    class Silent:
        def __init__(self, config: EvaluatorConfig) -> None:
            raise RuntimeError("no evidence needed")

    Registry.register(EvaluatorSpec(name="mine", summary="", config=EvaluatorConfig, factory=Silent))
    faults = [clause.fault for clause in clauses(Registry().load("evaluator", "mine"), "evaluator", {}) if clause.fault]
    assert faults == ["the spec has no summary", "RuntimeError: no evidence needed"]
