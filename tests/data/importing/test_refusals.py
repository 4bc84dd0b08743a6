"""What an import cannot understand it refuses with one error, what it saw and the next step, and writes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from medsynth.base.errors import InputError
from medsynth.cli import app
from medsynth.data.importing.image_items import ImportRequest
from medsynth.data.importing.importer import import_images
from tests.data.importing.conftest import LAYOUTS, lesion, noise, picture, table, volume


def refused(out: Path, **request) -> str:
    """Return what an import says that must fail, after looking that it left nothing behind."""
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(InputError) as caught:
        import_images(ImportRequest(**request), out)
    assert sorted(out.parent.rglob("*")) == before
    assert caught.value.hint
    return str(caught.value)


def test_a_folder_that_looks_like_two_layouts_is_refused_until_one_is_named(tmp_path):
    LAYOUTS["cyclegan"](tmp_path / "data")
    volume(tmp_path / "data" / "imagesTr" / "a_0000.nii.gz", 1)
    text = refused(tmp_path / "out", source=tmp_path / "data")
    assert "CycleGAN's layout (testA, testB, trainA, trainB); an nnU-Net data set (imagesTr)" in text
    assert "--layout cyclegan or --layout nnunet" in text
    named = ImportRequest(source=tmp_path / "data", layout="cyclegan", positive=("ill",))
    assert import_images(named, None).counts["target"]["images"] == 12
    assert "Did you mean 'cyclegan'?" in refused(tmp_path / "out", source=tmp_path / "data", layout="cyclgan")


def test_python_takes_the_same_options_and_refuses_others(tmp_path):
    from medsynth.data import import_folder

    layout = LAYOUTS["labels_beside"](tmp_path / "data")
    asked = {"target": layout.request.target, "labels": str(layout.request.labels), "label": "Befund"}
    assert import_folder(layout.request.source, None, positive="krank", **asked).counts["target"]["positive"] == 3
    with pytest.raises(InputError, match="option 'postive' is unknown") as caught:
        import_folder(layout.request.source, None, postive="krank")
    assert "Did you mean 'positive'?" in caught.value.hint


def test_a_place_without_images_is_refused_with_what_lies_there(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("")
    (tmp_path / "data" / "b.docx").write_text("")
    text = refused(tmp_path / "out", source=tmp_path / "data")
    assert "seen: .txt files (1), .docx files (1)" in text
    assert "does not exist" in refused(tmp_path / "out", source=tmp_path / "none")


@pytest.mark.parametrize("held", ["file", "folder"])
def test_an_output_that_exists_is_refused_unless_it_is_an_empty_folder(tmp_path, held):
    layout, out = LAYOUTS["cyclegan"](tmp_path / "data"), tmp_path / "out"
    if held == "file":
        out.write_text("mine")
    else:
        picture(out / "mine.png", 1)
    with pytest.raises(InputError, match=f"--out {out} is ") as caught:
        import_images(layout.request, out)
    assert "changes nothing" in caught.value.hint
    assert out.is_file() or (out / "mine.png").is_file()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    import_images(layout.request, tmp_path / "link")
    assert (tmp_path / "empty" / "manifest.csv").is_file()


def test_a_failure_while_writing_leaves_nothing(tmp_path, monkeypatch):
    layout = LAYOUTS["medmnist"](tmp_path / "data")

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("medsynth.data.importing.importer.write_manifest", fail)
    with pytest.raises(KeyboardInterrupt):
        import_images(layout.request, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("name", "change", "parts"),
    [
        ("bids", {"source_series": ""}, ("T1w (6)", "FLAIR (6)", "--source-series '", "--target OTHER")),
        ("bids", {"source_series": "*"}, ("fits both '*' and 'FLAIR'", "narrower")),
        ("bids", {"source_series": "T3*"}, ("--source-series 'T3*' fits none of", "T1w (6)")),
        ("bids", {"label": "findings"}, ("has no column 'findings' (--label)", "Did you mean 'finding'?")),
        ("bids", {"positive": ("tumour",)}, ("'none', 'tumor'", "--positive 'tumor'")),
        ("dicom", {"target_series": "t1*"}, ("--target-series=t1* fits none of the series", "b-mode")),
        ("nnunet", {"source_series": "", "target_series": ""}, ("an nnU-Net data set with images of 2 kinds", "T1 (")),
        ("nnunet", {"label": "x"}, ("from masks or from a table", "--label-from-mask")),
        ("medmnist", {"positive": ("7",)}, ("labels '0', '1', '2'; which is positive is not known", "--positive '2'")),
        ("labels_beside", {"join": "Befund"}, ("no image is called as the column Befund", "--join")),
        ("labels_beside", {"label": ""}, ("which column of", "Bild, Befund, patient, split")),
        ("cyclegan", {"positive": ()}, ("'ill' and 'well' of the target images look like classes", "--positive")),
        ("cyclegan", {"positive": ("il",)}, ("'ill' and 'well'",)),
        ("cyclegan", {"source_label": "2"}, ("--source-label '2' is neither 1 nor 0",)),
        ("cyclegan", {"patient_pattern": "("}, ("data.patient_pattern '(' cannot be understood",)),
        ("classes", {"label_from_mask": True, "masks": "*.nii"}, ("none of 18 images has a mask",)),
    ],
)
def test_what_is_not_known_is_asked_for_by_name(name, change, parts, tmp_path):
    from dataclasses import asdict

    layout = LAYOUTS[name](tmp_path / "made" / "data")
    request = {field: getattr(layout.request, field) for field in asdict(layout.request)} | change
    text = refused(tmp_path / "out", **request)
    for part in parts:
        assert part in text


def test_one_place_with_images_of_one_kind_asks_for_the_other(tmp_path):
    picture(tmp_path / "mr" / "a.png", 1)
    text = refused(tmp_path / "out", source=tmp_path / "mr")
    assert "1 images of one kind" in text
    assert "--target OTHER" in text
    assert "both source and target" in refused(tmp_path / "out", source=tmp_path / "mr", target=tmp_path / "mr")


def test_a_manifest_without_images_of_the_wanted_domain_is_refused(tmp_path):
    LAYOUTS["labels_beside"](tmp_path / "data")
    picture(tmp_path / "only" / "a.png", 1)
    table(tmp_path / "only" / "manifest.csv", [("image", "domain", "label", "patient"), ("a.png", "source", "1", "p")])
    text = refused(tmp_path / "out", source=tmp_path / "data" / "mr", target=tmp_path / "only")
    assert "holds no target images and says that all its 1 images are of the other domain" in text


def test_a_table_that_contradicts_itself_or_cannot_be_read_is_refused(tmp_path):
    layout = LAYOUTS["labels_beside"](tmp_path / "data")
    request = {"source": layout.request.source, "target": layout.request.target, "labels": tmp_path / "t.csv"}
    table(tmp_path / "t.csv", [("name", "label"), ("source0.png", "1"), ("source0.png", "0")])
    assert "gives 'source0.png' the labels '1' and '0'" in refused(tmp_path / "out", **request)
    (tmp_path / "t.csv").write_bytes("name,label\nä,1".encode("utf-16"))
    assert "is not UTF-8" in refused(tmp_path / "out", **request)
    (tmp_path / "t.csv").write_text("name,label\n")
    assert "has no rows" in refused(tmp_path / "out", **request)
    assert "cannot be read" in refused(tmp_path / "out", **request | {"labels": tmp_path / "none.csv"})
    asked = {"source": layout.request.source, "target": layout.request.target, "label": "Befund"}
    assert "no tables lie beside the images" in refused(tmp_path / "out", **asked)


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"x": np.zeros(3)}, "holds no train_images; its arrays: x"),
        ({"train_images": noise(1, (3, 28, 28))}, "train_images without train_labels"),
        ({"train_images": noise(1, (3, 28, 28)), "train_labels": np.zeros((2, 1))}, "3 train_images have 2 labels"),
        ({"train_images": np.zeros((3, 28, 28)), "train_labels": np.zeros((3, 1))}, "not 8-bit images"),
        ({"train_images": noise(1, (3, 28, 28)), "train_labels": np.zeros((3, 14))}, "--label 0 to --label 13"),
        (None, "cannot be read"),
    ],
)
def test_an_archive_that_is_no_medmnist_file_is_refused_by_what_is_missing(tmp_path, arrays, part):
    picture(tmp_path / "mr" / "a.png", 1)
    if arrays is None:
        (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 cut off")
    else:
        np.savez(tmp_path / "a.npz", **arrays)
    assert part in refused(tmp_path / "out", source=tmp_path / "mr", target=tmp_path / "a.npz")


def test_a_broken_description_and_several_kinds_of_masks_are_refused(tmp_path):
    layout = LAYOUTS["nnunet"](tmp_path / "nn")
    (tmp_path / "nn" / "dataset.json").write_text("{")
    assert "dataset.json cannot be read" in refused(tmp_path / "out", **vars(layout.request))
    layout = LAYOUTS["bids"](tmp_path / "bids")
    for kind in ("brain", "lesion"):
        volume(tmp_path / "bids" / "derivatives" / "seg" / f"sub-00_ses-1_desc-{kind}_mask.nii.gz", 0, lesion("1", 0))
    request = vars(layout.request) | {"label": "", "positive": (), "label_from_mask": True}
    assert "several kinds of masks: brain_mask, lesion_mask" in refused(tmp_path / "out", **request)
    imported = import_images(ImportRequest(**request | {"masks": "*lesion*"}), None)
    assert imported.counts["target"]["positive"] == 1


def test_the_command_says_what_it_would_do_and_refuses_like_all_others(tmp_path):
    LAYOUTS["cyclegan"](tmp_path / "data")
    (tmp_path / "data" / "trainA" / "notes.txt").write_text("")
    arguments = ["data", "import", str(tmp_path / "data"), "--positive", "ill"]
    done = CliRunner().invoke(app, [*arguments, "--dry-run"])
    assert done.exit_code == 0
    for part in (
        "is a data set in CycleGAN's layout; taken: 6 images as source and 12 images as target",
        "Label 1 is ill, 0 is well.",
        "Left out 1: .txt files (1).",
        "Nothing was written",
        "data.source_label=0",
    ):
        assert part in done.output
    assert not (tmp_path / "out").exists()
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out"), "--source-label", "1"])
    assert f"next     medsynth data check --data {tmp_path / 'out'}\n" in done.output
    shutil.rmtree(tmp_path / "data")
    for more in ([], ["--out", str(tmp_path / "out2")]):
        done = CliRunner().invoke(app, [*arguments, *more])
        assert done.exit_code == 2
        assert "Traceback" not in done.output
