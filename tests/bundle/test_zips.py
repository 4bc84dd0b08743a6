"""A zip file of a bundle is found out if any of its bytes is another one."""

from __future__ import annotations

import hashlib
import random
import shutil
import zipfile
from pathlib import Path

import pytest

from medsynth.base.errors import InputError
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.bundle.format.manifest import MANIFEST, sealed
from medsynth.bundle.format.zips import is_as_written, write_zip

from .samples import files, write


@pytest.fixture
def made(tmp_path) -> Path:
    """A folder with what verification reads."""
    contents = {**files(), "models/model.pt": random.Random(0).randbytes(3000)}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return write(tmp_path / "toy", {**contents, MANIFEST: sealed({"files": hashes}).encode()})


@pytest.fixture
def packed(made, tmp_path) -> Path:
    write_zip(made, tmp_path / "a.zip")
    return tmp_path / "a.zip"


def names(packed: Path) -> set[str]:
    try:
        return {deviation.file for deviation in verify_bundle(packed).deviations}
    except InputError as error:
        return {packed.name} if packed.name in error.message else set()


def change(packed: Path, good: bytes, place: int, value: int) -> None:
    packed.write_bytes(good[:place] + bytes([good[place] ^ value]) + good[place + 1 :])


def test_other_programs_unpack_it_and_equal_folders_give_equal_bytes(made, packed, tmp_path):
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        assert {name.partition("/")[0] for name in archive.namelist()} == {"toy"}
    shutil.unpack_archive(packed, tmp_path / "out")
    assert verify_bundle(tmp_path / "out/toy") == verify_bundle(packed) == verify_bundle(made)
    write_zip(tmp_path / "out/toy", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_every_file_that_a_changed_byte_damages_is_named(packed):
    good = packed.read_bytes()
    with zipfile.ZipFile(packed) as archive:
        infos = archive.infolist()
    for info in infos:
        start = info.header_offset + 30 + len(info.filename)
        change(packed, good, start + info.compress_size // 2, 0xFF)
        assert names(packed) == {info.filename.partition("/")[2]}


@pytest.mark.parametrize("value", [1, 0x80, 0xFF])
def test_no_changed_byte_passes_be_it_in_headers_padding_directory_or_seal(packed, value):
    good = packed.read_bytes()
    for place in range(value % 3, len(good), 3):  # a third of all places for each value
        change(packed, good, place, value)
        assert names(packed), place


def test_a_zip_that_another_program_packed_is_judged_by_its_files(made, tmp_path):
    packed = Path(shutil.make_archive(str(tmp_path / "b"), "zip", made.parent, made.name))
    with zipfile.ZipFile(packed, "a") as archive:
        archive.comment = b"0123456789abcdef0123456789abcdef01234567"
    assert is_as_written(packed)
    assert verify_bundle(packed).deviations == ()
