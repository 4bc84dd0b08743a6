"""Files and folders are complete or absent."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from medsynth.base.errors import RunError
from medsynth.base.files import explained, new_folder, sha256, write_bytes, write_json, write_text
from medsynth.data.cache import new_map


def test_a_write_that_fails_keeps_the_previous_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.pt"
    write_bytes(path, b"good")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"weights.pt could not be written: No space left"):
        write_bytes(path, b"half")
    assert path.read_bytes() == b"good"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_only_when_its_block_succeeds(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "a").write_text("a")
            raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        fail()
    assert list(tmp_path.iterdir()) == []
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("a")
    assert (tmp_path / "out" / "a").read_text() == "a"


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes while the block runs."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_limit_on_the_size_of_files_is_named_as_such(tmp_path: Path) -> None:
    write_bytes(tmp_path / "kept", b"good")
    with file_size_limit(1000):
        for write in (
            lambda: write_bytes(tmp_path / "kept", bytes(2000)),
            lambda: new_map(tmp_path / "pixels.npy", (2, 1, 32, 32)),
        ):
            with pytest.raises(RunError, match=r"File too large[\s\S]*see ulimit -f"):
                write()
    assert (tmp_path / "kept").read_bytes() == b"good"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("write", [lambda path: write_bytes(path, b""), lambda path: new_folder(path).__enter__()])
def test_a_path_that_cannot_be_is_told_with_its_name(write: Callable[[Path], object]) -> None:
    with pytest.raises(RunError, match=r"/dev/null/a/b could not be written: Not a directory"):
        write(Path("/dev/null/a/b"))


@pytest.mark.parametrize(
    ("number", "code", "hint"),
    [
        (errno.EROFS, 2, "that you may write to"),
        (errno.ENAMETOOLONG, 2, "that you may write to"),
        (errno.ENOSPC, 1, "Make room"),
        (errno.EFBIG, 1, "ulimit -f"),
        (errno.EMFILE, 1, "ulimit -n"),
        (errno.EIO, 1, "saved before is intact"),
    ],
)
def test_what_the_system_refuses_is_explained(number: int, code: int, hint: str) -> None:
    told = explained(OSError(number, os.strerror(number), "/some/file"))
    assert (told.exit_code, told.message) == (code, f"/some/file: {os.strerror(number)}")
    assert hint in told.hint


def test_a_text_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "same")
    before = (tmp_path / "a").stat().st_ino
    write_text(tmp_path / "a", "same")
    assert (tmp_path / "a").stat().st_ino == before
    write_text(tmp_path / "a", "other")
    assert (tmp_path / "a").read_text() == "other"


def test_json_refuses_numbers_that_json_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
