"""Several seeds in one report: differences seed by seed, and what synthesis was worth over them."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from medsynth.api import Result, Score
from medsynth.files import sha256
from medsynth.runs import read_record
from medsynth.seals import sealed
from medsynth.studies.pairs import METRICS
from medsynth.studies.results import read_run
from medsynth.summary import compared_by_seed, gain
from tests.studies.conftest import write_run as write_run


def result(**areas: float) -> Result:
    scores = [
        Score(evaluator="diagnostic", name="roc_auc", subject=subject, value=value) for subject, value in areas.items()
    ]
    return Result(scores=scores, bundle="", report="")


def test_every_classifier_is_compared_with_the_one_trained_with_synthetic_images_seed_by_seed(
    write_run, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for seed in (1, 2):
        one = write_run(f"one-{seed}", seed=seed)
        shutil.copytree(one.folder, run / "seeds" / str(seed))
    plan = (run / "seeds/1/plan.toml").read_text()
    (run / "plan.toml").write_text(plan.replace("seeds = [\n    1,\n]", "seeds = [1, 2]"))
    record = read_record(run / "seeds/1") | {"plan": sha256(run / "plan.toml")}
    (run / "run.json").write_text(sealed(record))
    assert len(read_run(run)) == 2
    (section,) = compared_by_seed(SimpleNamespace(folder=run))
    rows = section.html.partition("<tbody>")[2].split("</tr>")[:-1]
    assert len(rows) == 2 * len(METRICS)
    assert all("with synthetic images</th><td>real images only</td>" in row for row in rows)
    assert ["<td>1</td>" in row for row in rows] == [True] * 3 + [False] * 3


def test_the_gain_over_seeds_is_the_mean_difference() -> None:
    found = gain([result(**{"synthetic": 0.9, "real-only": 0.8}), result(**{"synthetic": 0.8, "real-only": 0.76})])
    assert found is not None
    assert found.value == pytest.approx(0.07)
    assert "over 2 seeds" in found.test


def test_without_a_row_of_every_seed_there_is_no_gain() -> None:
    assert gain([result(**{"synthetic": 0.9, "real-only": 0.8}), result(synthetic=0.8)]) is None
