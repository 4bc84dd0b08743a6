"""Several seeds in one report: differences seed by seed, and what synthesis was worth over them."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

from medsynth.api import Score
from medsynth.base.files import sha256
from medsynth.base.seals import sealed
from medsynth.flow.outcome.summary import compared_by_seed, warned_seeds, with_gains
from medsynth.results.pairs import METRICS
from medsynth.results.reading import read_run
from medsynth.results.run_record import read_record
from medsynth.statistics.gain import Gain
from tests.studies.conftest import write_run as write_run


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


def test_gains_of_single_seeds_give_way_to_the_gain_over_all_of_them_and_their_patients() -> None:
    def score(evaluator: str, name: str) -> Score:
        return Score(evaluator=evaluator, name=name, subject="real-only", value=0.5)

    over = Gain(against="real-only", value=0.1, low=0.0, high=0.2, p_value=0.04, differences=(0.1, 0.1), patients=9)
    found = with_gains([score("diagnostic", "roc_auc"), score("synthesis", "gain")], [over])
    assert found == [score("diagnostic", "roc_auc"), over.as_score()]


def test_the_report_counts_in_how_many_seeds_each_kind_of_warning_arose() -> None:
    stages = {"seed 1 generator": "collapse", "seed 2 generator": "collapse", "seed 2 evaluation": "privacy-memorized"}
    record = {"warnings": [{"kind": kind, "stage": stage, "text": stage} for stage, kind in stages.items()]}
    (section,) = warned_seeds(record, [1, 2, 3])
    assert ">collapse</th><td>2 of 3</td>" in section.html
    assert ">privacy-memorized</th><td>1 of 3</td>" in section.html
    assert warned_seeds({"warnings": []}, [1, 2]) == []
