import json
import shutil

import numpy as np
import pytest
from PIL import Image

from medsynth.data.check import check_data
from medsynth.data.likeness import near_pairs, perceptual_hash


@pytest.fixture
def check(tmp_path, write, config):
    """Check a manifest after changing its rows."""

    def run(spoil=lambda rows: None, **fields):
        rows = write.rows(tmp_path, patients=9)
        for k, row in enumerate(rows):
            row["split"] = ("train", "val", "test")[k % 9 // 3]
        spoil(rows)
        return check_data(config(write.table(tmp_path, rows), **fields), 0)

    return run


def test_sound_data_have_no_findings_but_counts(check):
    findings = check()
    assert findings.errors == findings.warnings == ()
    assert findings.counts["images by domain, class, split"]["target positive val"] == 2
    assert findings.counts["target"]["sizes (columns x rows x slices)"] == "30 x 20 (9)"
    assert len(findings.split_hash) == 64
    json.dumps(findings.as_dict(), allow_nan=False)


def test_everything_wrong_is_found_at_once(check, tmp_path):
    def spoil(rows):
        (tmp_path / rows[0]["image"]).write_bytes(b"")
        Image.new("L", (9, 9)).save(tmp_path / rows[1]["image"])
        (tmp_path / rows[2]["image"]).write_bytes((tmp_path / rows[2]["image"]).read_bytes()[:150])
        rows[3]["domain"] = "nowhere"
        rows[4]["patient"] = rows[8]["patient"]
        rows[5]["image"] = "gone.png"

    text = "\n".join(check(spoil).errors)
    for part in ("is empty (0 bytes)", "is constant", "cannot be decoded", "'nowhere'", "in more than one", "gone.png"):
        assert part in text


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (11, "identical files"),
        (10, "the same pixels with different labels, one must be wrong"),
        (0, "the same pixels in both domains"),
    ],
)
def test_equal_images_are_told_with_what_contradicts(check, tmp_path, row, text):
    def spoil(rows):
        shutil.copy(tmp_path / rows[9]["image"], tmp_path / rows[row]["image"])

    assert sum(text in warning for warning in check(spoil).warnings) == 1


def test_the_same_image_in_two_splits_is_refused_under_any_name(check, tmp_path):
    def spoil(rows):
        (tmp_path / "link").symlink_to(tmp_path)
        rows[17]["image"] = f"link/{rows[9]['image']}"

    (error,) = check(spoil).errors
    assert "target0.png (train) and link/target0.png (test) are the same image in different splits" in error
    assert "data.split=draw" in error


def test_patients_who_share_an_image_are_drawn_as_one(check, tmp_path):
    def spoil(rows):
        for row in rows:
            row["split"] = ""
        (tmp_path / rows[17]["image"]).unlink()
        (tmp_path / rows[17]["image"]).hardlink_to(tmp_path / rows[15]["image"])

    findings = check(spoil)
    text = "these patients count as one: target6.png and target8.png"
    assert findings.errors == ()
    assert sum(text in warning for warning in findings.warnings) == 1
    patients = findings.counts["patients by domain, split"]
    assert sum(count for name, count in patients.items() if name.startswith("target")) == 8


def test_a_recompressed_copy_in_another_split_looks_alike(check, tmp_path):
    def spoil(rows):
        smooth = np.kron(np.random.default_rng(3).integers(0, 255, (4, 6)), np.ones((5, 5))).astype(np.uint8)
        Image.fromarray(smooth).save(tmp_path / rows[9]["image"])
        Image.fromarray(smooth // 2 + 40).save(tmp_path / rows[17]["image"])

    (warning,) = check(spoil).warnings
    assert warning.startswith("look alike across splits: target0.png (train) and target8.png (test)")


def test_identifying_tags_and_possible_burnt_in_text_are_told(check, tmp_path, write, values):
    def spoil(rows):
        for k, tags in enumerate([{"BurnedInAnnotation": "YES"}, {"Modality": "US", "PatientName": "Doe^Jane"}]):
            write.dicom(tmp_path / f"{k}.dcm", values(30 + k, (1, 20, 30)), **tags)
            rows[k]["image"] = f"{k}.dcm"

    text = "\n".join(check(spoil).warnings)
    assert "identifying DICOM tag PatientID is filled in 2 files" in text
    assert "identifying DICOM tag PatientName is filled in 1 files: 1.dcm" in text
    assert "burnt-in annotation in 1 files says the header: 0.dcm" in text
    assert "ultrasound that may show burnt-in text, 1 files: 1.dcm" in text
    assert "Jane" not in text


def test_an_absent_data_set_is_a_finding_not_an_exception(tmp_path, config):
    assert "does not exist" in check_data(config(tmp_path / "none"), 0).errors[0]


def test_the_hash_ignores_brightness_and_contrast_but_not_content():
    rng = np.random.default_rng(0)
    image = np.kron(rng.random((8, 8)), np.ones((9, 9)))
    other = np.kron(rng.random((8, 8)), np.ones((9, 9)))
    assert perceptual_hash(image) == perceptual_hash(image * 0.5 + 0.2)
    assert (perceptual_hash(image) ^ perceptual_hash(other)).bit_count() > 10


def test_near_pairs_equal_comparing_one_by_one():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 16, 30).astype(np.uint64) | np.uint64(1 << 63)
    groups = rng.choice(["train", "test"], 30)
    expected = [
        (i, j, bits)
        for i in range(30)
        for j in range(i + 1, 30)
        if groups[i] != groups[j] and (bits := (int(hashes[i]) ^ int(hashes[j])).bit_count()) <= 2
    ]
    assert near_pairs(hashes, groups, near=2) == expected
