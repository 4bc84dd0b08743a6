"""Folders are searched once, links and all, and whatever is left out has a reason that is counted."""

import os

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medsynth.base.errors import InputError
from medsynth.reading import read, scan
from medsynth.reading.leftovers import masks


@pytest.fixture
def png(tmp_path, values):
    def write(*names):
        for k, name in enumerate(names):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values((4, 4), seed=k)).save(tmp_path / name, "PNG")

    return write


def names(found, root):
    return [one.path.relative_to(root).as_posix() for one in found.files]


def test_hidden_and_foreign_files_are_left_out_and_counted(tmp_path, png):
    png("a.png", "b/c.png", ".ipynb_checkpoints/a.png", "@eaDir/a.png", "__MACOSX/a.png", ".git/a.png", "b/._c.png")
    png("Thumbs.db")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "table.CSV").write_text("image")
    found = scan(tmp_path)
    assert names(found, tmp_path) == ["a.png", "b/c.png"]
    assert found.reasons() == {"hidden folders": 4, "hidden files": 2, ".csv files": 1, ".txt files": 1}
    assert found.problems == ()


def test_links_are_followed_once(tmp_path, png):
    png("data/a.png", "elsewhere/b.png", "elsewhere/deep/c.png")
    root = tmp_path / "data"
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(root)
    (root / "link.png").symlink_to(root / "a.png")
    os.link(root / "a.png", root / "z.png")
    (root / "broken.png").symlink_to(tmp_path / "nowhere.png")
    found = scan(root)
    assert names(found, root) == ["a.png", "again/b.png", "again/deep/c.png"]
    assert found.reasons() == {
        "further names of the same file": 2,
        "folders that were searched already, by links": 2,
        "links that lead nowhere": 1,
    }


def test_masks_beside_images_are_kept_apart_with_their_images(tmp_path, png):
    png("us (1).png", "us (1)_mask.png", "us (1)_mask_1.png", "lonely_mask.png")
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), None), tmp_path / "sub-1_T1w.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), None), tmp_path / "sub-1_dseg.nii.gz")
    png("set/imagesTr/a.png", "set/labelsTr/a.png")
    found = scan(tmp_path)
    assert names(found, tmp_path) == ["lonely_mask.png", "set/imagesTr/a.png", "sub-1_T1w.nii.gz", "us (1).png"]
    assert {path.name: [one.name for one in of] for path, of in found.masks().items()} == {
        "us (1).png": ["us (1)_mask.png", "us (1)_mask_1.png"],
        "sub-1_T1w.nii.gz": ["sub-1_dseg.nii.gz"],
    }
    assert found.reasons()["folders of masks beside images"] == 1


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a.png", "a-seg.png"], {"a-seg.png": "a.png"}),
        (["a.nii.gz", "a_label.nii.gz"], {"a_label.nii.gz": "a.nii.gz"}),
        (["Face_Mask.png", "other.png"], {}),
        (["mask.png", "a.png"], {}),
        (["case_0000.nii.gz", "case_seg.nii.gz"], {"case_seg.nii.gz": "case_0000.nii.gz"}),
    ],
)
def test_a_mask_is_one_only_beside_its_image(files, expected):
    assert masks(files) == expected


def test_dicom_reports_and_directories_are_counted_and_damage_is_a_problem(tmp_path, dicom, dicom_parts, values):
    dicom(values((1, 4, 4)), name="d/1")
    report = dicom_parts.dataset(values((1, 4, 4)), Modality="SR")
    for name in ("Rows", "Columns", "PixelData"):
        delattr(report, name)
    dicom_parts.save(report, tmp_path / "d" / "2")
    (tmp_path / "d" / "DICOMDIR").write_bytes((tmp_path / "d" / "1").read_bytes())
    (tmp_path / "d" / "3.dcm").touch()
    found = scan(tmp_path)
    assert names(found, tmp_path) == ["d/1"]
    assert found.reasons() == {"DICOMDIR": 1, "structured reports": 1}
    assert [problem.message.rpartition("/")[2] for problem in found.problems] == ["3.dcm is empty (0 bytes)"]


def test_slices_come_in_their_order_and_name_their_volume(tmp_path, dicom, values):
    for k, place in enumerate((1, 0)):
        dicom(values((1, 4, 4)), name=f"s/{k}.dcm", ImagePositionPatient=[0, 0, place])
    Image.fromarray(values((4, 4))).save(tmp_path / "a.png")
    found = scan(tmp_path)
    assert names(found, tmp_path) == ["a.png", "s/1.dcm", "s/0.dcm"]
    assert [bool(one.stack) for one in found.files] == [False, True, True]
    assert found.files[1].header.patient == "Jane"


def test_a_flat_folder_of_single_images_is_usable_and_a_mixture_of_volumes_is_one_problem(tmp_path, dicom, values):
    for k in range(6):
        dicom(
            values((1, 4, 4)), name=f"us/{k}.dcm", SeriesInstanceUID=f"1.{k}", ImagePositionPatient=None, Modality="US"
        )
    assert len(scan(tmp_path / "us").files) == 6
    for k in range(4):
        tags = {"SeriesInstanceUID": f"2.{k // 2}", "SeriesDescription": f"t{1 + k // 2}_tra"}
        dicom(values((1, 4, 4)), name=f"mr/{k}.dcm", ImagePositionPatient=[0, 0, k], **tags)
    found = scan(tmp_path / "mr")
    assert (found.files, len(found.problems), len(found.series)) == ((), 1, 2)
    chosen = scan(tmp_path / "mr", series="t2*")
    assert names(chosen, tmp_path / "mr") == ["2.dcm", "3.dcm"]
    assert chosen.reasons() == {"series that are not t2*": 2}


def test_the_output_folder_is_passed_over_and_a_single_file_is_enough(tmp_path, png):
    png("a.png", "out/b.png")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert names(scan(tmp_path, skip=[tmp_path / "out"]), tmp_path) == ["a.png"]
    assert [one.path for one in scan(tmp_path / "a.png").files] == [tmp_path / "a.png"]
    with pytest.raises(InputError, match="does not exist"):
        scan(tmp_path / "gone")


def test_everything_found_is_read_or_named(tmp_path, png, dicom, values):
    png("a.png")
    dicom(values((2, 4, 4)), name="b")
    (tmp_path / "c.png").write_bytes(b"nonsense")
    outcomes = []
    for one in scan(tmp_path).files:
        try:
            outcomes.append(len(read(one.path)))
        except InputError as error:
            outcomes.append(error.message.rpartition("/")[2].partition(":")[0])
    assert outcomes == [1, 2, "c.png cannot be decoded"]
