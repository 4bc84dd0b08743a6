"""Commands take a bundle as a zip file, and unpack nothing that leads elsewhere."""

from __future__ import annotations

import csv
import errno
import shutil
import tempfile
from pathlib import Path
from unittest.mock import ANY

import pytest
from typer.testing import CliRunner

from medsynth.bundle.forms import export_bundle
from medsynth.bundle.unpacking import unpacked
from medsynth.bundle.verification import verify_bundle
from medsynth.cli import app
from medsynth.errors import InputError, RunError

from .samples import files, zipped

ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def made(make_bundle) -> Path:
    return make_bundle(samples=2)


def test_a_zip_becomes_a_folder_for_as_long_as_it_is_needed(made, tmp_path):
    packed = export_bundle(made, tmp_path, form="source", zipped=True)
    with unpacked(packed) as folder:
        assert verify_bundle(folder) == verify_bundle(made)
    assert not folder.exists()


def test_a_folder_is_taken_as_it_is(made):
    with unpacked(made) as folder:
        assert folder == made
    assert made.is_dir()


def test_errors_name_the_zip_and_not_the_folder_that_is_gone(tmp_path):
    packed = zipped(tmp_path / "a.zip", files())
    with pytest.raises(InputError) as raised, unpacked(packed) as folder:
        raise InputError(f"{folder} is bad", hint=f"look at {folder / 'LICENSE'}")
    assert (raised.value.message, raised.value.hint) == (f"{packed} is bad", f"look at {packed}/LICENSE")


@pytest.mark.parametrize("name", ["../outside", "/outside", "a\\..\\..\\outside"])
def test_a_zip_that_leads_elsewhere_is_refused(name, tmp_path):
    packed = zipped(tmp_path / "a.zip", {**files(), name: b"x"}, root="")
    with pytest.raises(InputError, match=r"a\.zip cannot be unpacked"), unpacked(packed):
        pytest.fail("unpacked")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_damaged_zip_is_refused(tmp_path):
    packed = zipped(tmp_path / "a.zip", files())
    content = packed.read_bytes()
    packed.write_bytes(content.replace(b"Apache", b"apache"))
    with pytest.raises(InputError, match=r"cannot be unpacked: LICENSE: Bad CRC-32"), unpacked(packed):
        pytest.fail("unpacked")
    packed.write_bytes(b"no zip")
    with pytest.raises(InputError, match="neither a folder nor a readable zip"), unpacked(packed):
        pytest.fail("unpacked")


def test_without_room_for_temporary_files_the_error_names_their_folder_and_not_the_zip(made, tmp_path, monkeypatch):
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", made.parent, made.name))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(RunError, match=r"medsynth-.* could not be written: No space left") as caught, unpacked(packed):
        pass
    assert f"Make room in {tempfile.gettempdir()}, or choose another folder: TMPDIR" in caught.value.hint


def call(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


def test_a_zip_predicts_and_translates_as_its_folder_does(made, tmp_path):
    packed = export_bundle(made, tmp_path, form="portable", zipped=True)
    found = {}
    for bundle in (made, packed):
        table, folder = tmp_path / f"{bundle.name}.csv", tmp_path / f"{bundle.name}-out"
        assert call("predict", bundle, made / "samples/target", "--out", table) == (0, ANY)
        assert call("synthesize", bundle, made / "samples/source", "--out", folder, "--device", "cpu") == (0, ANY)
        found[bundle] = [float(row["probability"]) for row in csv.DictReader(table.read_text().splitlines())]
        assert len(list(folder.glob("*.png"))) == 2
    assert found[packed] == pytest.approx(found[made], abs=1e-5)


def test_a_zip_is_reproduced(medsynth, made, tmp_path):
    packed = export_bundle(made, tmp_path, form="portable", zipped=True)
    done = medsynth("bundle", "verify", packed, "--reproduce", env=ONE_THREAD)
    assert (done.returncode, "reproduced: 2 probabilities" in done.stdout) == (0, True), done.stderr


def test_a_zip_that_is_not_trusted_is_refused_until_it_is(medsynth, made, tmp_path, monkeypatch):
    packed = export_bundle(made, tmp_path, form="source", zipped=True)
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    arguments = ["predict", packed, made / "samples/target", "--out", tmp_path / "p.csv"]
    code, said = call(*arguments)
    assert (code, f"bundle {packed} is not trusted here" in said) == (2, True)
    assert medsynth(*arguments, "--trust", env=ONE_THREAD).returncode == 0
