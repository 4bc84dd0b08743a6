"""A bundle is as its manifest lists it, or the file that is not is named."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from medsynth.base.errors import InputError
from medsynth.bundle.checking import verification
from medsynth.bundle.checking.verification import Deviation, verify_bundle
from medsynth.bundle.format import versions
from medsynth.bundle.format.manifest import MANIFEST, is_sealed, list_files, sealed


@pytest.fixture(scope="module")
def made(make_bundle) -> Path:
    return make_bundle(samples=2)


@pytest.fixture
def bundle(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bundle"))


def names(found: verification.Verification) -> set[tuple[str, str]]:
    return {(deviation.file, deviation.problem) for deviation in found.deviations}


def files(bundle: Path) -> list[Path]:
    return sorted(path for path in bundle.rglob("*") if path.is_file())


def test_a_bundle_as_it_was_written_has_no_deviations(bundle):
    found = verify_bundle(bundle)
    assert found.deviations == ()
    assert found.files == len(files(bundle)) - 1
    assert found.digest == hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest()


def test_one_flipped_bit_anywhere_is_found_and_its_file_is_named(bundle):
    kinds = {path.suffix for path in files(bundle)}
    assert {".json", ".conf", ".md", ".pt", ".png", ".py", ""} <= kinds
    for path in files(bundle):
        name, good = path.relative_to(bundle).as_posix(), path.read_bytes()
        for place in {0, len(good) // 3, len(good) // 2, len(good) - 1}:
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            assert names(verify_bundle(bundle)) == {(name, "changed")}, (name, place)
        path.write_bytes(good)


def test_every_single_changed_byte_of_a_manifest_breaks_its_seal():
    text = sealed({"schema": 1, "files": {"a b": "0" * 64}, "threshold": 0.25, "plan": {"größe": [1, "x"]}}).encode()
    assert is_sealed(text)
    for place in range(len(text)):
        for bit in range(8):
            changed = bytearray(text)
            changed[place] ^= 1 << bit
            assert not is_sealed(bytes(changed)), (place, bit)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"null", b'{"checksum": 1}', b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_has_no_seal(text):
    assert not is_sealed(text)


def test_missing_and_added_files_are_named(bundle):
    (bundle / "LICENSE").unlink()
    (bundle / "docs/extra.md").write_text("more")
    cache = next(path for path in bundle.iterdir() if path.name.startswith("medsynth_")) / "__pycache__"
    cache.mkdir()
    (cache / "network.cpython-311.pyc").write_bytes(b"\0")
    left = f"{cache.parent.name}/__pycache__/network.cpython-311.pyc"
    found = verify_bundle(bundle)
    assert names(found) == {("LICENSE", "missing"), ("docs/extra.md", "added"), (left, "added")}
    assert Deviation(left, "added", "Python left it; delete its folder") in found.deviations


def test_a_missing_manifest_is_named(bundle):
    (bundle / MANIFEST).unlink()
    assert names(verify_bundle(bundle)) == {(MANIFEST, "missing")}


def test_a_sealed_manifest_that_lists_no_files_is_named(bundle):
    (bundle / MANIFEST).write_text(sealed({"files": {"LICENSE": 1}}))
    assert names(verify_bundle(bundle)) == {(MANIFEST, "changed")}


def test_tables_and_images_that_running_it_left_are_no_deviation_but_programs_are(bundle):
    (bundle / "eval/translated").mkdir(parents=True)
    (bundle / "eval/predictions.csv").write_text("a,0.5\n")
    (bundle / "eval/translated/a.png").write_bytes(b"png")
    found = verify_bundle(bundle)
    assert (found.deviations, found.results) == ((), 2)
    (bundle / "eval/tool.py").write_text("")
    assert names(verify_bundle(bundle)) == {("eval/tool.py", "added")}


def test_links_are_named_even_if_they_lead_to_equal_files(bundle, tmp_path):
    (bundle / "LICENSE").rename(tmp_path / "LICENSE")
    (bundle / "LICENSE").symlink_to(tmp_path / "LICENSE")
    assert names(verify_bundle(bundle)) == {("LICENSE", "unsafe"), ("LICENSE", "missing")}


def test_a_zip_is_verified_as_its_folder_is(bundle, tmp_path):
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "bundle"))
    assert verify_bundle(packed) == verify_bundle(bundle)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("bundle/more.txt", "more")
    assert names(verify_bundle(packed)) == {("more.txt", "added")}


def test_what_is_neither_folder_nor_zip_is_refused(tmp_path):
    with pytest.raises(InputError, match="neither a folder nor a readable zip"):
        verify_bundle(tmp_path / "absent")


def test_files_that_medsynth_adds_are_listed_and_the_seal_is_renewed(bundle):
    (bundle / "models/model.ts").write_bytes(b"export")
    list_files(bundle, ["models/model.ts"])
    assert verify_bundle(bundle).deviations == ()
    listed = json.loads((bundle / MANIFEST).read_text())["files"]
    assert listed["models/model.ts"] == hashlib.sha256(b"export").hexdigest()
    assert list(listed) == sorted(listed)


def test_other_library_versions_come_with_the_line_that_installs_them(bundle, monkeypatch):
    stated = json.loads((bundle / "configs/metadata.json").read_text())
    assert verify_bundle(bundle).install == ""
    here = {"monai": "9.9", "nibabel": ""}
    real = versions.installed
    monkeypatch.setattr(versions, "installed", lambda name: here.get(name, real(name)))
    found = verify_bundle(bundle)
    nibabel = stated["required_packages_version"]["nibabel"]
    assert found.versions == {"monai": (stated["monai_version"], "9.9"), "nibabel": (nibabel, "")}
    assert found.install == f'pip install "monai=={stated["monai_version"]}" "nibabel=={nibabel}"'
    assert found.deviations == ()


@pytest.mark.parametrize("version", ['1"; rm -rf ~; "', "$(id)", "-r evil.txt", "", 3, None])
def test_what_is_no_version_never_gets_into_a_command(version):
    hostile = {"monai_version": version, "required_packages_version": {'x"; id; "': "1.0", "--index-url": "1"}}
    assert versions.differing_versions(hostile) == ({}, "")
