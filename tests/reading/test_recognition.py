"""Files are recognized by their first bytes, by their names where those say nothing, or refused in one sentence."""

import subprocess
import sys
import threading
import warnings

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medsynth.base.errors import InputError
from medsynth.reading import NoImageError, iterate, read, read_header, recognize, stem, take


def test_names_do_not_matter_where_the_content_speaks(tmp_path, dicom, values):
    Image.fromarray(values((4, 4))).save(tmp_path / "picture", "PNG")
    nib.save(nib.Nifti1Image(values((2, 2, 2)), np.eye(4)), tmp_path / "v.nii.gz")
    (tmp_path / "v.gz").write_bytes((tmp_path / "v.nii.gz").read_bytes())
    dicom(values((1, 4, 4)), name="IM0001")
    found = {name: recognize(tmp_path / name).kind for name in ("picture", "v.gz", "IM0001")}
    assert found == {"picture": "raster", "v.gz": "nifti", "IM0001": "dicom"}


def test_a_damaged_file_is_taken_at_its_name(tmp_path):
    for name, kind in {"a.png": "raster", "a.nii.gz": "nifti", "a.dcm": "dicom", "a.mha": "itk"}.items():
        (tmp_path / name).write_bytes(b"nonsense" * 10)
        assert recognize(tmp_path / name).kind == kind
        with pytest.raises(InputError, match=name.replace(".", r"\.")):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b"hello", ".txt files"),
        ("a.gif", b"GIF89a" + b"\0" * 400, "GIF files"),
        ("a.dat", b"%PDF-1.7", "PDF files"),
        ("DICOMDIR", b"\0" * 128 + b"DICM", "DICOMDIR"),
        ("notes", b"hello", "files without a suffix"),
    ],
)
def test_what_is_no_image_has_a_reason(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    assert recognize(tmp_path / name).reason == reason
    with pytest.raises(NoImageError) as caught:
        read_header(tmp_path / name)
    assert caught.value.reason == reason
    assert ".png" in caught.value.hint


def test_missing_empty_and_folders_are_refused(tmp_path):
    (tmp_path / "empty.png").touch()
    for name, text in {"gone.png": "does not exist", "empty.png": r"is empty \(0 bytes\)", ".": "is a folder"}.items():
        with pytest.raises(InputError, match=text) as caught:
            read(tmp_path / name)
        assert caught.value.hint


def test_stems_drop_whole_suffixes():
    assert [stem(name) for name in ("a.nii.gz", "b/c.d.PNG", ".png", "IM1")] == ["a", "b/c.d", ".png", "IM1"]


def test_an_index_beyond_the_file_is_refused(tmp_path, values):
    Image.fromarray(values((4, 4))).save(tmp_path / "a.png")
    image = read(tmp_path / "a.png", index=0)
    assert [len(one) for one in iterate(tmp_path / "a.png")] == [1]
    for call in (
        lambda: take(image, 1),
        lambda: read(tmp_path / "a.png", index=-1),
        lambda: read(tmp_path / "a.png", volume=1),
    ):
        with pytest.raises(InputError, match="has no"):
            call()


def test_reading_imports_neither_torch_nor_monai_and_itk_only_where_needed(dicom, tmp_path, values):
    Image.fromarray(values((4, 4))).save(tmp_path / "a.png")
    nib.save(nib.Nifti1Image(values((2, 2, 2)), np.eye(4)), tmp_path / "a.nii")
    paths = [dicom(values((1, 4, 4))), tmp_path / "a.png", tmp_path / "a.nii"]
    code = f"""
import sys
import medsynth.reading as reading
assert not {{"pydicom", "nibabel", "PIL"}} & set(sys.modules), "opened before a file asked for it"
from pathlib import Path
for path in {[str(path) for path in paths]}:
    reading.read(Path(path))
print(sorted({{"torch", "monai", "itk"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_threads_leave_the_warning_filters_as_they_were(dicom, values):
    array = values((1, 16, 16))
    paths = [dicom(array, name=f"{k}.dcm", PixelSpacing=[0.5, 0.5]) for k in range(8)]
    before, failures = list(warnings.filters), []

    def work(path):
        for _ in range(10):
            if not np.array_equal(read(path).values, array):
                failures.append(path)

    threads = [threading.Thread(target=work, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert warnings.filters == before


def test_damage_anywhere_is_one_error_that_names_the_file(tmp_path, dicom, values):
    """Bytes overwritten at random: whatever a decoder raises, the caller gets InputError, or an image of the size."""
    Image.fromarray(values((12, 10))).save(tmp_path / "a.tif")
    Image.fromarray(values((12, 10))).save(tmp_path / "a.png")
    nib.save(nib.Nifti1Image(values((3, 4, 10)), np.eye(4)), tmp_path / "a.nii")
    random, messages = np.random.default_rng(0), {}
    for path in (tmp_path / "a.tif", tmp_path / "a.png", tmp_path / "a.nii", dicom(values((1, 12, 10)))):
        whole = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            for place in random.integers(0, len(whole), 3):
                damaged[place] = random.choice([0, 85, 255])
            path.write_bytes(damaged)
            for call in (read, read_header):
                try:
                    call(path)
                except InputError as error:
                    messages[error.message] = path.name
    assert len(messages) > 20
    assert all(name in message for message, name in messages.items())
