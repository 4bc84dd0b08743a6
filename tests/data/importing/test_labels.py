"""Labels from folders, columns and masks; pixels of archives; what is told of what was not used."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medsynth.data.formats.chains import as_shown
from medsynth.data.importing.image_items import ImportRequest
from medsynth.data.importing.importer import import_images
from medsynth.reading import read
from tests.data.importing.conftest import LAYOUTS, lesion, noise, picture, table, volume


def by_name(rows) -> dict[str, str]:
    return {row["image"].rpartition("/")[2] + row["slice"]: row["label"] for row in rows}


def test_pictures_are_positive_where_a_mask_in_a_folder_beside_them_is_not_empty(tmp_path, rows):
    for k in range(4):
        picture(tmp_path / "us" / "images" / f"{k}.png", k)
        picture(tmp_path / "mr" / f"{k}.png", 9 + k)
    for k, filled in enumerate((255, 0, 1)):
        mask = noise(0) * 0
        mask[3, 3] = filled
        picture(tmp_path / "us" / "masks" / f"{k}.png", 0, mask)
    request = ImportRequest(source=tmp_path / "mr", target=tmp_path / "us", label_from_mask=True, source_label="0")
    imported = import_images(request, tmp_path / "out")
    found = [row for row in rows(tmp_path / "out") if row["domain"] == "target"]
    assert by_name(found) == {"0.png": "1", "1.png": "0", "2.png": "1", "3.png": ""}
    assert imported.left_out == {"folders of masks beside images": 1}
    assert any("5 images have no mask; no mask does not mean negative" in text for text in imported.said)


def test_a_mask_on_another_grid_says_nothing_about_its_image(tmp_path, rows):
    for k in range(2):
        volume(tmp_path / "ct" / f"{k}.nii.gz", k)
        volume(tmp_path / "mr" / f"{k}.nii.gz", 5 + k)
        volume(tmp_path / "mr" / f"{k}_seg.nii.gz", 0, lesion("1", k))
    moved = nib.load(tmp_path / "mr" / "1_seg.nii.gz")
    nib.save(
        nib.Nifti1Image(np.asarray(moved.dataobj), np.diag([1.0, 1.0, 3.0, 1.0])), tmp_path / "mr" / "1_seg.nii.gz"
    )
    request = ImportRequest(source=tmp_path / "ct", target=tmp_path / "mr", label_from_mask=True, source_label="0")
    imported = import_images(request, tmp_path / "out")
    found = [row for row in rows(tmp_path / "out") if row["domain"] == "target"]
    assert by_name(found) == {"0.nii.gz0": "0", "0.nii.gz1": "1", "1.nii.gz": ""}
    assert any("1 images have a mask on another grid, which says nothing: 1.nii.gz" in text for text in imported.said)


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3), (5, 28, 28)])
def test_images_of_an_archive_become_files_with_the_same_pixels(tmp_path, rows, shape):
    arrays = {f"{split}_images": noise(len(split), (3, *shape)) for split in ("train", "val", "test")}
    arrays["val_images"][1] = 7
    labels = {f"{split}_labels": np.array([[0, 1], [1, 0], [1, 1]]) for split in ("train", "val", "test")}
    np.savez(tmp_path / "toy.npz", **arrays, **labels)
    picture(tmp_path / "mr" / "a.png", 1)
    request = ImportRequest(source=tmp_path / "mr", target=tmp_path / "toy.npz", label="1", source_label="0")
    imported = import_images(request, tmp_path / "out")
    found = [row for row in rows(tmp_path / "out") if row["domain"] == "target"]
    assert imported.left_out == {"images of one color": 1}
    assert len(found) == 8
    for row in found:
        values = as_shown(read(tmp_path / "out" / row["image"])).values
        k = int(row["image"].rpartition("-")[2].partition(".")[0])
        expected = arrays[f"{row['split']}_images"][k]
        assert np.array_equal(values, expected if len(shape) == 3 and shape[0] == 5 else expected[None])
        assert row["label"] == str((1, 0, 1)[k])
    if shape == (28, 28):
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / found[0]["image"])), arrays["train_images"][0])


def test_a_table_in_the_folder_is_joined_on_what_fits_and_its_programs_numbers_are_understood(tmp_path, rows):
    for k in range(3):
        picture(tmp_path / "us" / "deep" / f"case{k}.png", k)
        picture(tmp_path / "mr" / f"{k}.png", 9 + k)
    lines = [("n", "id", "malignant", "center"), ("1", "case0", "1.0", "A"), ("2", "case1", "0.0", "B")]
    table(tmp_path / "us" / "labels.csv", [*lines, ("3", "case2", "NaN", "A")])
    request = ImportRequest(source=tmp_path / "mr", target=tmp_path / "us", label="malignant", source_label="1")
    imported = import_images(request, tmp_path / "out")
    found = [row for row in rows(tmp_path / "out") if row["domain"] == "target"]
    assert by_name(found) == {"case0.png": "1", "case1.png": "0", "case2.png": ""}
    assert [row["center"] for row in found] == ["A", "B", "A"]
    assert any("joined on id as the file name without suffix" in text for text in imported.said)
    # the table itself names its folder
    again = import_images(
        ImportRequest(source=tmp_path / "mr", target=tmp_path / "us" / "labels.csv", label="malignant"), None
    )
    assert again.counts["target"]["unknown"] == 1


def test_folders_of_splits_with_classes_below_are_understood(tmp_path, rows):
    for number, split in enumerate(("train", "valid", "test")):
        for k, name in enumerate(("normal", "tumor")):
            picture(tmp_path / "us" / split / name / "x" / "1.png", 10 * number + k)
    picture(tmp_path / "mr" / "1.png", 99)
    request = ImportRequest(source=tmp_path / "mr", target=tmp_path / "us", positive=("tumor",), source_label="0")
    imported = import_images(request, tmp_path / "out")
    found = {
        (row["split"], row["label"], row["image"].split("/us/")[1])
        for row in rows(tmp_path / "out")
        if row["domain"] == "target"
    }
    assert found == {
        ("val" if split == "valid" else split, str(k), f"{split}/{name}/x/1.png")
        for split in ("train", "valid", "test")
        for k, name in enumerate(("normal", "tumor"))
    }
    assert any("are taken as splits" in text for text in imported.said)


def test_test_cases_with_masks_are_the_test(tmp_path, rows):
    layout = LAYOUTS["nnunet"](tmp_path / "data")
    for k, label in ((6, "1"), (7, "0")):
        volume(tmp_path / "data" / "labelsTs" / f"case_{k:03}.nii.gz", 0, lesion(label, k))
    import_images(layout.request, tmp_path / "out")
    splits = {row["patient"]: row["split"] for row in rows(tmp_path / "out")}
    assert splits == {f"case_{k:03}": "train" if k < 6 else "test" for k in range(8)}


def test_a_manifest_with_both_domains_keeps_what_it_says(tmp_path, rows):
    lines = [("image", "domain", "label", "patient", "split", "pair", "center")]
    for k in range(2):
        for domain in ("source", "target"):
            picture(tmp_path / "data" / f"{domain}{k}.png", 2 * k + (domain == "target"))
            pair = f"target{k}.png" if domain == "source" else ""
            lines.append((f"{domain}{k}.png", domain, ("well", "ill")[k], f"p{k}", "train", pair, "A"))
    table(tmp_path / "data" / "manifest.csv", lines)
    import_images(ImportRequest(source=tmp_path / "data", positive=("ill",)), tmp_path / "out")
    found = {row["image"]: row for row in rows(tmp_path / "out")}
    assert found["../data/source1.png"]["pair"] == "../data/target1.png"
    assert {(row["label"], row["patient"], row["split"], row["center"]) for row in found.values()} == {
        ("0", "p0", "train", "A"),
        ("1", "p1", "train", "A"),
    }


def test_zero_may_be_the_name_of_the_positive_class_of_an_archive_but_not_of_a_manifest(tmp_path, rows):
    labels = {f"{split}_labels": np.array([[0], [1]]) for split in ("train", "test")}
    np.savez(tmp_path / "t.npz", **labels, train_images=noise(1, (2, 9, 9)), test_images=noise(2, (2, 9, 9)))
    picture(tmp_path / "mr" / "a.png", 1)
    table(tmp_path / "mr" / "manifest.csv", [("image", "domain", "label", "patient"), ("a.png", "source", "0", "p")])
    request = ImportRequest(source=tmp_path / "mr", target=tmp_path / "t.npz", positive=("0",))
    import_images(request, tmp_path / "out")
    assert [(row["domain"], row["label"]) for row in rows(tmp_path / "out")] == [
        ("source", "0"),
        *[("target", "1"), ("target", "0")] * 2,
    ]


def test_dicom_of_subjects_is_a_tree_and_no_bids(tmp_path):
    LAYOUTS["dicom"](tmp_path / "tree")
    for k in range(6):
        (tmp_path / "tree" / f"patient{k}").rename(tmp_path / "tree" / f"sub-{k}")
    request = ImportRequest(source=tmp_path / "tree", source_series="t2*", target_series="modality=US")
    assert "is a DICOM tree" in import_images(request, None).said[0]


def test_what_is_left_out_is_told_by_kind_and_number(tmp_path, imported_case):
    assert imported_case("bids").imported.left_out == {".json files": 1, "folders beside the subjects of BIDS": 1}
    assert imported_case("dicom").imported.left_out == {"images that are neither source nor target": 6}
    assert imported_case("labels_beside").imported.left_out == {"masks of other images": 1}
    assert imported_case("classes").imported.left_out == {"masks of other images": 6}
    (tmp_path / "us" / ".hidden").mkdir(parents=True)
    for name in ("mr/a.png", "us/b.png", "us/bad\nname.png"):
        picture(tmp_path / name, len(name))
    imported = import_images(ImportRequest(source=tmp_path / "mr", target=tmp_path / "us"), None)
    assert imported.left_out == {"hidden folders": 1, "files whose names a manifest cannot hold": 1}
