"""``medsynth compare``: runs on the same test images, and the refusal of others."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from medsynth.cli import app


def call(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_two_runs_are_compared_and_tested(write_run) -> None:
    one, two = write_run("one"), write_run("two", seed=2)
    code, text, _ = call(one.folder, two.folder, "--json")
    found = json.loads(text)
    assert code == 0
    assert [row["scores"]["diagnostic.roc_auc"]["mean"] for row in found["rows"]] == [0.1, 0.2]
    assert {test["score"] for test in found["tests"]} == {"roc_auc", "sensitivity", "specificity"}


def test_the_table_names_what_is_not_comparable(write_run) -> None:
    one, two = write_run("one"), write_run("two", "generator.epochs=3")
    code, text, _ = call(one.folder, two.folder)
    assert code == 0
    assert "is not comparable: budget of the generator (epochs): 5 and 3" in text


def test_another_split_or_other_test_images_are_refused(write_run) -> None:
    one, two, three = write_run("one"), write_run("two", split="xyz"), write_run("three")
    assert "has split xyz" in call(one.folder, two.folder)[2]
    path = three.folder / "evaluation/predictions-synthetic.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-2]) + "\n")
    (three.folder / "evaluation/predictions-real-only.csv").unlink()
    code, _, text = call(one.folder, three.folder)
    assert (code, "was judged on other test images" in text) == (2, True)


def test_one_run_and_no_run_are_refused(write_run, tmp_path: Path) -> None:
    one = write_run("one").folder
    assert "needs two different runs" in call(one, one)[2]
    assert "holds no run" in call(one, tmp_path)[2]


def test_a_comparison_of_runs_is_written_as_a_studys_is(write_run, tmp_path: Path) -> None:
    out = tmp_path / "compared"
    one, two = write_run("one"), write_run("two", seed=2)
    assert call(one.folder, two.folder, "--out", out)[0] == 0
    names = {path.name for path in out.iterdir()}
    assert names == {"study.json", "comparison.csv", "comparison.md", "comparison.tex", "report.html", "figures"}
    assert "holds other files" in call(one.folder, two.folder, "--out", out)[2]
