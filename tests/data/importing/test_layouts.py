"""From each layout to a manifest that says what is true, and from the manifest to a finished run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medsynth.data.check import check_data
from medsynth.data.config import DataConfig
from tests.data.importing.conftest import LAYOUTS

TINY = [
    "data.size=32",
    "generator.epochs=1",
    "generator.epoch_steps=1",
    "generator.batch_size=2",
    "generator.width=4",
    "generator.blocks=1",
    "generator.discriminator_width=4",
    "classifier.pretrain_epochs=1",
    "classifier.finetune_epochs=1",
    "classifier.epoch_steps=1",
    "evaluators.diagnostic.resamples=100",
    "training.baselines=",
]


def options(layout) -> dict[str, str]:
    return {name.partition(".")[2].partition("=")[0]: name.partition("=")[2] for name in layout.options}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_row_of_the_manifest_says_what_is_true_of_its_image(name, imported_case, rows):
    case = imported_case(name)
    found = {}
    for row in rows(case.out):
        path = (case.out / row["image"]).resolve()
        assert path.is_file()
        inside = path.relative_to(case.out if path.is_relative_to(case.out) else case.root).as_posix()
        found[inside, row["slice"]] = (row["domain"], row["label"], row["patient"], row["split"])
    assert found == case.layout.rows


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_check_finds_nothing_that_a_run_would_refuse(name, imported_case):
    case = imported_case(name)
    findings = check_data(DataConfig(path=str(case.out), size=32, **options(case.layout)), 42)
    assert findings.errors == ()
    assert findings.counts["images"] >= len(case.layout.rows)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_tiny_run_of_what_was_imported_finishes(name, imported_case, tmp_path, monkeypatch):
    import medsynth

    # half of such a run's time, and looked at elsewhere
    monkeypatch.setattr("medsynth.report.writer.curves_figure", lambda name, losses: "<svg></svg>")
    case = imported_case(name)
    done = medsynth.run(
        data=case.out,
        generator="cyclegan",
        classifier="mobilenet-v2",
        evaluators=["diagnostic"],
        preset="quick",
        device="cpu",
        out=tmp_path / "run",
        settings=[*TINY, *case.layout.options],
        progress=False,
    )
    assert done.report.is_file()
    assert (done.bundle / "configs" / "metadata.json").is_file()


def test_a_dicom_series_and_the_ultrasound_of_another_folder_become_one_data_set(real_data: Path, tmp_path, rows):
    from medsynth.data import import_folder

    imported = import_folder(real_data / "dicom", tmp_path / "out", target=real_data / "mr-to-us")
    found = list(rows(tmp_path / "out"))
    assert imported.counts["source"]["images"] == 19
    assert imported.counts["target"]["images"] == sum(row["domain"] == "target" for row in found) == 378
    assert imported.missing == "data.source_label"
    assert all((tmp_path / "out" / row["image"]).is_file() for row in found)
    assert {row["label"] for row in found if row["domain"] == "target"} == {"0", "1"}
    assert "94" in str(imported.left_out["images that are no target images"])


@pytest.mark.parametrize("where", ["other/deep/out", "link/out", "data/inside"])
def test_paths_lead_to_the_images_from_wherever_the_manifest_lies(where, tmp_path, rows, monkeypatch):
    from medsynth.data import import_folder

    layout = LAYOUTS["cyclegan"](tmp_path / "data")
    (tmp_path / "elsewhere" / "disk").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "disk")
    monkeypatch.chdir(tmp_path)
    import_folder(Path("data"), Path(where), positive=("ill",), source_label="0")
    monkeypatch.chdir(os.path.sep)
    found = {(tmp_path / where / row["image"]).resolve() for row in rows(tmp_path / where)}
    assert found == {tmp_path / "data" / name for name, _ in layout.rows}
