"""Commands work on a copy of a bundle, folder or zip file, and copy nothing that leads elsewhere."""

from __future__ import annotations

import csv
import errno
import tempfile
from pathlib import Path
from unittest.mock import ANY

import pytest
from typer.testing import CliRunner

from medsynth.base.errors import InputError, RunError
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.bundle.trust.snapshot import Snapshot
from medsynth.cli import app
from medsynth.inference.export.forms import export_bundle

from .samples import files, write, zipped

ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def made(make_bundle) -> Path:
    return make_bundle(samples=2)


def test_a_snapshot_of_a_zip_and_of_a_folder_hold_the_same_for_as_long_as_they_are_needed(made, tmp_path):
    packed = export_bundle(made, tmp_path, form="source", zipped=True)
    for place in (packed, made):
        snapshot = Snapshot(place)
        folder = snapshot.folder
        assert folder != made
        assert folder.stat().st_mode & 0o777 == 0o700
        assert verify_bundle(folder) == verify_bundle(made)
        del snapshot
        assert not folder.exists()
    assert made.is_dir()


def test_errors_name_the_bundle_and_not_the_copy_that_is_gone(tmp_path):
    packed = zipped(tmp_path / "a.zip", files())
    snapshot = Snapshot(packed)
    with pytest.raises(InputError) as raised, snapshot.errors():
        raise InputError(f"{snapshot.folder} is bad", hint=f"look at {snapshot.folder / 'LICENSE'}")
    assert (raised.value.message, raised.value.hint) == (f"{packed} is bad", f"look at {packed}/LICENSE")


@pytest.mark.parametrize("name", ["../outside", "/outside", "a\\..\\..\\outside"])
def test_a_zip_that_leads_elsewhere_is_refused(name, tmp_path):
    packed = zipped(tmp_path / "a.zip", {**files(), name: b"x"}, root="")
    with pytest.raises(InputError, match=r"a\.zip cannot be unpacked"):
        _ = Snapshot(packed).folder
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_damaged_zip_is_refused(tmp_path):
    packed = zipped(tmp_path / "a.zip", files())
    content = packed.read_bytes()
    packed.write_bytes(content.replace(b"Apache", b"apache"))
    with pytest.raises(InputError, match=r"cannot be unpacked: LICENSE: Bad CRC-32"):
        _ = Snapshot(packed).folder
    packed.write_bytes(b"no zip")
    with pytest.raises(InputError, match="neither a folder nor a readable zip"):
        _ = Snapshot(packed).folder


def test_a_folder_with_a_link_is_not_copied(made, tmp_path):
    folder = write(tmp_path / "a", files())
    (folder / "models").symlink_to(made / "models")
    with pytest.raises(InputError, match=r"a cannot be copied: models a bundle holds files, not links"):
        _ = Snapshot(folder).folder


@pytest.mark.parametrize("packed", [False, True])
def test_without_room_for_temporary_files_the_error_names_their_folder_and_not_the_bundle(
    packed, made, tmp_path, monkeypatch
):
    place = export_bundle(made, tmp_path, form="source", zipped=True) if packed else made

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(RunError, match=r"medsynth-.* could not be written: No space left") as caught:
        _ = Snapshot(place).folder
    assert f"Make room in {tempfile.gettempdir()}, or choose another folder: TMPDIR" in caught.value.hint


def call(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


def test_while_the_confined_child_works_on_its_own_copy_there_is_no_other(made, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    seen = []

    def run_confined(*_: object, **__: object) -> int:
        seen.append(list(tmp_path.iterdir()))
        return 7

    monkeypatch.setattr("medsynth.confinement.running.run_confined", run_confined)
    assert call("predict", made, made / "samples/target", "--out", tmp_path / "p.csv") == (7, "")
    assert seen == [[]]


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
    refused = medsynth(*arguments, env=ONE_THREAD)
    assert (refused.returncode, f"bundle {packed} is not trusted here" in refused.stderr) == (2, True)
    assert medsynth(*arguments, "--trust", env=ONE_THREAD).returncode == 0
