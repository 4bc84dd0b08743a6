"""The command: what answers at once, exit codes, refusals."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console
from typer.testing import CliRunner

from medsynth.api import Score
from medsynth.cli import app
from medsynth.cli.common.tables import show_table
from medsynth.cli.run import show_scores
from medsynth.door.finished import HEADLINES
from medsynth.plan.plan import DEFAULT_EVALUATORS, presets

QUICK_COMMANDS = [
    ["--help"],
    ["run", "--help"],
    ["synthesize", "--help"],
    ["plugins"],
    ["plugins", "show", "lsnet"],
    ["plugins", "--json"],
]


@pytest.mark.parametrize("arguments", QUICK_COMMANDS, ids=" ".join)
def test_help_and_listings_import_neither_torch_nor_monai(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom medsynth.cli import app\n"
        f"app({arguments!r}, standalone_mode=False)\n"
        "print(sorted({'torch', 'monai', 'numpy', 'ignite'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_show_prints_every_field_with_default_range_and_help(medsynth) -> None:
    shown = medsynth("plugins", "show", "diagnostic")
    assert shown.returncode == 0
    assert "resamples" in shown.stdout
    assert ">= 100" in shown.stdout
    fields = json.loads(medsynth("plugins", "show", "diagnostic", "--json").stdout)["plugins"][0]["fields"]
    assert {"name", "type", "default", "range", "help"} == set(fields[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--generator", "cyclegam"], "unknown generator 'cyclegam'"),
        (["run", "--set", "generator.widht=8"], "unknown field generator.widht"),
        (["run", "--set", "data.size=8"], "data.size = '8' is out of range"),
        (["run", "--preset", "quikc"], "unknown preset 'quikc'"),
        (["run", "--seeds", "a"], "--seeds 'a' is not a list of whole numbers"),
        (["run", "--device", "tpu"], "--device 'tpu' is not available"),
        (["run", "--resume"], "no run of this plan"),
        (["plugins", "show", "lsnt"], "unknown plugin 'lsnt'"),
        (["data", "check", "--set", "generator.width=3"], "has no effect here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_refused_with_exit_code_2_and_nothing_written(medsynth, tmp_path, arguments, message) -> None:
    done = medsynth(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_presets_are_three() -> None:
    assert presets() == ["paper", "quick", "standard"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("run --generator sg", ["sg-cyclegan"]),
        ("plugins show ls", ["lsnet"]),
        ("run --generator munit --set generator.con", ["generator.constant_share=", "generator.content_weight="]),
        ("plugins check lsnet --set classifier.stu", ["classifier.student_width="]),
    ],
)
def test_shell_completion_offers_names_of_plugins_and_their_fields(words: str, offered: list[str]) -> None:
    environment = {
        "_MEDSYNTH_COMPLETE": "complete_bash",
        "COMP_WORDS": f"medsynth {words}",
        "COMP_CWORD": str(len(words.split())),
    }
    code = "from medsynth.cli import app; app(prog_name='medsynth')"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == offered


REFUSED = [
    "run --generator cyclegam", "run --set generator.widht=8", "run --set generator.width=x", "run --preset quikc",
    "run --device tpu", "run --resume", "run --data nowhere", "run nowhere.toml", "run --from nowhere",
    "run --evaluators x", "study nowhere", "study main-job --device tpu", "study main-job --reuse nowhere",
    "study main-job --data nowhere", "compare a b", "compare .", "plugins check lsnt", "plugins check lsnet --set x=1",
    "plugins show lsnet --match macs=x", "plugins show lsnet --match foo=1", "data check --data nowhere",
    "data check --set data.size=x", "predict nowhere x", "predict nowhere x --runtime y", "evaluate nowhere x",
    "synthesize nowhere x --out y", "synthesize nowhere x --out y --format gif", "readers make nowhere --out x.html",
    "bundle verify nowhere",
]  # fmt: skip


def test_wrong_use_is_refused_before_torch_is_imported(tmp_path) -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom medsynth.cli import app\n"
        f"for words in {REFUSED!r}:\n"
        "    done = CliRunner().invoke(app, words.split())\n"
        "    if done.exit_code in (0, 1) and 'data check' not in words or 'torch' in sys.modules:\n"
        "        sys.exit(f'{words}: {done.exit_code} {done.output} {done.exception!r}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [[], ["plugins"], ["bundle"], ["data"], ["readers"]], ids=" ".join)
def test_help_lists_whole_summaries(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"]).output
    assert "..." not in shown.partition("Commands:")[2]
    assert shown.partition("Commands:")[2].count(".\n") >= 2


def test_show_has_readable_types() -> None:
    for name in ("lsnet", "sg-cyclegan", "diagnostic"):
        shown = CliRunner().invoke(app, ["plugins", "show", name]).output
        assert "whole number" in shown
        for unreadable in ("Literal", "<class", "tuple[", "True", "None"):
            assert unreadable not in shown


HEAD = ("row", "AUC ↑", "paper", "sensitivity ↑", "specificity ↑", "KID ↓")
BODY = [
    ("sg-cyclegan + lsnet", "0.931 ± 0.012", "0.985", "0.902 ± 0.031", "0.881 ± 0.024", "0.0123 ± 0.0011"),
    ("real images only (not comparable)", "0.853 ± 0.020", "-", "0.801 ± 0.044", "0.790 ± 0.033", "-"),
]


def test_the_scores_of_a_run_stand_in_a_table_of_80_columns(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = [name for names in HEADLINES.values() for name in names]
    subjects = ("synthetic", "real-only", "untranslated")
    show_scores(
        [
            Score(evaluator="x", name=name, subject=subject, value=-123.4567, low=-200, high=-100, n=100_000)
            for subject in subjects
            for name in names
        ]
    )
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["score", "value", "95", "%", "interval", "n"]
    assert [row for row in map(str.rstrip, rows) if not row.startswith(" ")] == [
        "with synthetic images",
        "real images only",
        "with source images untranslated",
    ]
    assert len(rows) == len(subjects) * (1 + len(names))
    assert all(row.endswith("-123.457  -200.000 to -100.000  100000") for row in rows if row.startswith(" "))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_study_table_is_whole_at_any_width(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, _environ={})
    show_table(HEAD, BODY, console=console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    if width == 120:
        assert lines[0].split() == " ".join(HEAD).split()
        assert all(" ".join(row) == " ".join(line.split()) for row, line in zip(BODY, lines[1:], strict=True))
    else:
        assert lines == [
            "sg-cyclegan + lsnet",
            "  AUC ↑          0.931 ± 0.012",
            "  paper          0.985",
            "  sensitivity ↑  0.902 ± 0.031",
            "  specificity ↑  0.881 ± 0.024",
            "  KID ↓          0.0123 ± 0.0011",
            "real images only (not comparable)",
            "  AUC ↑          0.853 ± 0.020",
            "  sensitivity ↑  0.801 ± 0.044",
            "  specificity ↑  0.790 ± 0.033",
        ]


def test_run_judges_by_the_evaluators_that_a_plan_has_by_default(medsynth) -> None:
    shown = "".join(medsynth("run", "--help").stdout.split())
    assert f"[default:{','.join(DEFAULT_EVALUATORS)}]" in shown


OUTPUTS = {
    "run": ["run", "--device", "cpu", "--out"],
    "study": ["study", "paper-table1", "--device", "cpu", "--out"],
    "synthesize": ["synthesize", "bundle", "images", "--out"],
    "predict": ["predict", "bundle", "images", "--out"],
    "evaluate": ["evaluate", "bundle", "images", "--out"],
    "data": ["run", "--device", "cpu", "--data"],
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_name_that_is_not_utf_8_is_refused_before_anything_is_written(command: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*OUTPUTS[command], os.fsdecode(b"a\xff")])
    assert done.exit_code == 2, done.output
    assert "is not UTF-8" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("/dev/null/run", "/dev/null is not a folder"),
        ("a" * 300, "File name too long"),
        ("new", "cannot be written to"),
    ],
)
def test_an_output_folder_that_cannot_be_made_is_refused(out: str, message: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    if out == "new":  # whoever runs the tests may be allowed everything
        monkeypatch.setattr("medsynth.flow.folder.choosing.os.access", lambda *_: False)
    done = CliRunner().invoke(app, ["run", "--device", "cpu", "--out", out])
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_console_without_unicode_gets_whole_names_escaped(medsynth):
    done = medsynth("data", "check", "--data", "no/größe.csv", env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (2, "")
    assert r"data path no/gr\xf6\xdfe.csv does not exist" in done.stdout
