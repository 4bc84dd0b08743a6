"""Translating folders: sizes, values, errors, interruption, memory."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from medsynth.base.errors import InputError, Interrupted, RunError
from medsynth.base.stopping import Stop


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


class Recorder(torch.nn.Module):
    """Changes nothing and notes the shapes it has seen."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def forward(self, images):
        self.shapes.append(tuple(images.shape))
        return images


@pytest.mark.parametrize("shape", [(20, 30), (33, 47), (64, 32), (7, 90)], ids=str)
def test_any_size_is_padded_for_the_network_and_cropped_back(shape, tmp_path, pictures, synthesize, translator):
    recorder = Recorder()
    folder = pictures(2, shape)
    assert synthesize(folder, translator=translator(recorder)).failures == []
    for _, _, height, width in recorder.shapes:
        assert height % 16 == width % 16 == 0
        assert min(height, width) >= 32
    for path in folder.iterdir():
        assert np.array_equal(read(tmp_path / "out" / path.name), read(path))


@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize("shape", [(48, 31), (31, 48), (64, 64), (100, 37)], ids=str)
def test_resizing_for_the_network_and_back_leaves_pixels_where_they_were(shape, fit, tmp_path, synthesize, translator):
    rows, columns = np.mgrid[0.0 : 1.0 : shape[0] * 1j, 0.0 : 1.0 : shape[1] * 1j]
    ramp = np.round(40 + 120 * rows + 60 * columns).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    recorder = Recorder()
    shown = translator(recorder, size=64, fit=fit)
    assert synthesize(tmp_path / "ramp.png", translator=shown, size="network").failures == []
    assert recorder.shapes == [(1, 1, 64, 64)]
    result = read(tmp_path / "out/ramp.png").astype(float)
    assert result.shape == shape
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(result - ramp)[inner].max() < 4


def test_wide_values_are_scaled_by_their_percentiles_as_in_training(tmp_path, synthesize):
    wide = np.random.default_rng(0).integers(1000, 60000, (33, 47)).astype(np.uint16)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide.astype(np.float32)).save(tmp_path / "float.tiff")
    low, high = np.percentile(wide, [0.5, 99.5])
    expected = np.clip((wide - low) / (high - low), 0, 1) * 255
    for name in ("wide.png", "float.tiff"):
        assert synthesize(tmp_path / name, out=tmp_path / f"out {name}").failures == []
        (found,) = (tmp_path / f"out {name}").glob("*.png")
        assert np.abs(read(found) - expected).max() <= 0.51


def test_eight_bit_values_stay_comparable_between_files(tmp_path, synthesize):
    dark = np.arange(600, dtype=np.uint8).reshape(20, 30) % 50
    Image.fromarray(dark).save(tmp_path / "dark.tif")
    assert synthesize(tmp_path / "dark.tif").failures == []
    assert np.array_equal(read(tmp_path / "out/dark.png"), dark)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_color_files_become_what_the_network_takes(channels, tmp_path, synthesize, translator, texture):
    (tmp_path / "in").mkdir()
    color, grey = texture((20, 30, 3)), texture((20, 30))
    alpha = np.concatenate([color, texture((20, 30, 1), 5)], axis=2)
    for name, array in (("color", color), ("grey", grey), ("alpha", alpha)):
        Image.fromarray(array).save(tmp_path / f"in/{name}.png")
    assert synthesize(tmp_path / "in", translator=translator(channels=channels)).failures == []
    for name in ("color", "alpha"):
        expected = color if channels == 3 else color.mean(2)
        assert np.abs(read(tmp_path / f"out/{name}.png") - expected).max() < 0.51
    expected = np.stack([grey] * 3, axis=2) if channels == 3 else grey
    assert np.array_equal(read(tmp_path / "out/grey.png"), expected)


def test_color_volumes_are_written_as_rgb(tmp_path, synthesize, translator, texture, write_nifti):
    volume = texture((21, 18, 4))
    write_nifti(tmp_path / "v.nii.gz", volume, np.diag([-1.0, 1, 2, 1]))
    assert synthesize(tmp_path / "v.nii.gz", translator=translator(channels=3)).failures == []
    data = np.asarray(nib.load(tmp_path / "out/v.nii.gz").dataobj)
    assert data.dtype.names == ("R", "G", "B")
    for name in "RGB":
        assert np.array_equal(data[name], volume)


# Pillow leaves files open that end too early.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_bad_file_is_recorded_and_the_others_are_translated(tmp_path, pictures, synthesize, write_nifti, texture):
    folder = pictures(5)
    whole = (folder / "00001.png").read_bytes()
    (folder / "00001.png").write_bytes(whole[: len(whole) // 2])
    (folder / "00003.png").write_bytes(b"no picture")
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "notes.txt").write_text("ignored")
    values = texture((16, 16, 3)).astype(np.float32)
    values[3, 3, 1] = np.nan
    write_nifti(folder / "nan.nii.gz", values, np.eye(4))
    pages = [Image.fromarray(texture((20, 30), k)) for k in range(2)]
    pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:])
    summary = synthesize(folder)
    assert (summary.translated, summary.ignored) == (3, 1)
    problems = dict(summary.failures)
    assert set(problems) == {"00001.png", "00003.png", "empty.dcm", "nan.nii.gz", "pages.tif"}
    assert problems["nan.nii.gz"].startswith("contains NaN or infinite values (Replace them")
    assert summary.left_out == {".txt files": 1}
    assert "2 pages" in problems["pages.tif"]
    with (tmp_path / "out/errors.csv").open() as stream:
        assert {row["file"]: row["problem"] for row in csv.DictReader(stream)} == problems
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["00000.png", "00002.png", "00004.png"]
    (folder / "00001.png").write_bytes(whole)
    for name in ("00003.png", "empty.dcm", "nan.nii.gz", "pages.tif"):
        (folder / name).unlink()
    again = synthesize(folder, resume=True)
    assert (again.translated, again.skipped, again.failures) == (1, 3, [])
    assert not (tmp_path / "out/errors.csv").exists()


def test_a_network_that_fails_for_one_image_fails_for_that_one_only(tmp_path, pictures, synthesize, translator):
    class Picky(torch.nn.Module):
        def forward(self, images):
            if (images[:, 0, 0, 0] > 0.9).any():
                raise RuntimeError("too white")
            return images

    folder = pictures(5)
    white = read(folder / "00002.png").copy()
    white[0, 0] = 255
    Image.fromarray(white).save(folder / "00002.png")
    for path in folder.iterdir():
        if path.name != "00002.png":
            Image.fromarray(np.minimum(read(path), 200)).save(path)
    summary = synthesize(folder, translator=translator(Picky()))
    assert summary.failures == [("00002.png", "cannot be translated: RuntimeError: too white")]
    assert summary.translated == 4


class StopAfter(Stop):
    """Asks to stop at the given check."""

    def __init__(self, checks):
        super().__init__()
        self.left = checks

    def check(self):
        self.left -= 1
        self.requested = self.left < 0
        super().check()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in (".key", "errors.csv")}


def test_interrupted_and_resumed_equals_straight_through(tmp_path, pictures, synthesize):
    folder = pictures(9)
    assert synthesize(folder, out=tmp_path / "straight").translated == 9
    with pytest.raises(Interrupted):
        synthesize(folder, batch=2, stop=StopAfter(8))
    finished = contents(tmp_path / "out")
    assert 0 < sum(name.endswith(".png") for name in finished) < 9
    with pytest.raises(InputError, match="already holds translations"):
        synthesize(folder)
    summary = synthesize(folder, resume=True)
    assert summary.translated + summary.skipped == 9
    assert summary.skipped == sum(name.endswith(".png") for name in finished)
    assert contents(tmp_path / "out") == contents(tmp_path / "straight")


def test_a_full_disk_loses_nothing_that_is_finished(tmp_path, pictures, synthesize, monkeypatch):
    folder = pictures(6)
    replace, calls = Path.replace, []

    def full(self, target):
        calls.append(target)
        if len(calls) == 6:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(RunError, match=r"0000\d\.png could not be written: No space left on device"):
            synthesize(folder, batch=1)
    assert len(list((tmp_path / "out").glob("*.png"))) == 3
    assert not list((tmp_path / "out").glob("*.part"))
    assert synthesize(folder, resume=True).skipped == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": "network"}, "with size 'native', not 'network'"),
        ({"format": "dicom"}, "with format '', not 'dicom'"),
        ({"digest": "1" * 64}, "with sha256"),
    ],
    ids=str,
)
def test_a_folder_belongs_to_one_bundle_and_one_way(change, message, pictures, synthesize, translator):
    folder = pictures(2)
    synthesize(folder)
    if "digest" in change:
        change = {"translator": dataclasses.replace(translator(), **change)}
    with pytest.raises(InputError, match=message):
        synthesize(folder, resume=True, **change)


@pytest.mark.parametrize("content", [None, "[1, 2]", "not JSON"], ids=str)
def test_a_folder_with_other_files_is_left_alone(content, tmp_path, pictures, synthesize):
    (tmp_path / "out").mkdir()
    name = "thesis.txt" if content is None else "synthesis.json"
    (tmp_path / "out" / name).write_text(content or "precious")
    with pytest.raises(InputError, match="holds other files"):
        synthesize(pictures(2), resume=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_the_input_is_never_overwritten(tmp_path, pictures, synthesize):
    folder = pictures(2)
    with pytest.raises(InputError, match="holds the input"):
        synthesize(folder, out=folder)
    with pytest.raises(InputError, match="holds the input"):
        synthesize(folder, out=tmp_path)


def test_an_output_folder_inside_the_input_is_not_translated_again(pictures, synthesize):
    folder = pictures(2)
    assert synthesize(folder, out=folder / "translated").translated == 2
    assert synthesize(folder, out=folder / "translated", resume=True).skipped == 2


def test_folders_below_keep_their_places_and_like_names_stay_apart(tmp_path, pictures, synthesize):
    folder = pictures(1)
    image = Image.open(folder / "00000.png")
    for name in ("a/x.png", "b/x.png", "b/x.jpg", "b/.hidden.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        image.save(folder / name)
    assert synthesize(folder).translated == 4
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert found == {"00000.png", "a/x.png", "b/x.png.png", "b/x.jpg.png"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems accept Unicode names only")
def test_names_that_are_no_unicode_are_translated(tmp_path, pictures, synthesize):
    folder = pictures(1)
    name = os.fsdecode(b"caf\xe9.png")
    (folder / "00000.png").rename(folder / name)
    assert synthesize(folder).failures == []
    assert (tmp_path / "out" / name).is_file()
    assert b"caf\xe9.png" in (tmp_path / "out/manifest.csv").read_bytes()


def test_a_manifest_hands_on_labels_and_patients_of_its_sources(tmp_path, pictures, synthesize):
    folder = pictures(4)
    rows = ["image,domain,label,patient", "00000.png,source,1,p7", "00001.png,target,0,p8", "00002.png,source,,p7"]
    (folder / "list.csv").write_text("\n".join([*rows, "gone.png,source,1,p9"]))
    summary = synthesize(folder / "list.csv")
    assert summary.failures == [("gone.png", "does not exist")]
    with (tmp_path / "out/manifest.csv").open() as stream:
        found = [(row["image"], row["label"], row["patient"]) for row in csv.DictReader(stream)]
    assert found == [("00000.png", "1", "p7"), ("00002.png", "", "p7")]


def test_the_folder_says_by_what_it_was_made(tmp_path, pictures, synthesize):
    synthesize(pictures(1))
    assert json.loads((tmp_path / "out/synthesis.json").read_text()) == {
        "schema": 1,
        "bundle": "toy",
        "version": "0.1.0",
        "sha256": "0" * 64,
        "format": "",
        "size": "native",
        "show_names": False,
    }


@pytest.mark.parametrize("make", [lambda p: p / "gone", lambda p: p], ids=["missing", "empty"])
def test_input_without_images_is_refused(make, tmp_path, synthesize):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match=r"does not exist|holds no images"):
        synthesize(make(tmp_path / "in"))
    assert not (tmp_path / "out").exists()


MEMORY = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
from PIL import Image
from conftest import make_translator
from medsynth.base.progress import Silent
from medsynth.base.stopping import Stop
from medsynth.inference.translate.translation import TranslationJob, synthesize_files

def peak(count):
    folder = Path(f"in{count}")
    folder.mkdir()
    for k in range(count):
        Image.fromarray(np.random.default_rng(k).integers(0, 256, (256, 256), dtype=np.uint8)).save(folder / f"{k}.png")
    job = TranslationJob(translator=make_translator(), source=folder, out=Path(f"out{count}"), size="native",
                         watch=Silent(), stop=Stop())
    assert synthesize_files(job).translated == count
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

print(peak(20), peak(200))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux only")
def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(Path(__file__).parent)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    few, many = map(int, done.stdout.split())
    kept = 180 * 256 * 256 * 4 / 1024  # kilobytes, were the further images kept as floats
    assert many - few < kept / 3
    assert many < 1.1 * few
