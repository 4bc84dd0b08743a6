"""Files and folders are complete or absent."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from medsynth.base.errors import RunError
from medsynth.base.files import explained, new_folder, sha256, write_bytes, write_json, write_text
from medsynth.confinement.surroundings import prepared
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


def read_by_another(pipe: Path) -> tuple[threading.Thread, list[bytes]]:
    """Read a named pipe to its end in a thread."""
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()), daemon=True)
    reader.start()
    return reader, found


def test_a_named_pipe_gets_what_is_written_to_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = os.urandom(200_000)
    reader, found = read_by_another(pipe)
    write_bytes(pipe, content)
    reader.join(10)
    assert found == [content]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "old.csv").write_text("old")
    links = {"link.csv": tmp_path / "old.csv", "new.csv": tmp_path / "elsewhere/new.csv"}
    for name, place in links.items():
        (tmp_path / name).symlink_to(place)
        write_text(tmp_path / name, "written")
        assert (tmp_path / name).is_symlink()
        assert place.read_text() == "written"
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    with new_folder(tmp_path / "folder") as folder:
        (folder / "a").write_text("a")
    assert (tmp_path / "folder").is_symlink()
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["a"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_confined_process_writes_through_links_and_pipes_too(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("old")
    link, pipe = tmp_path / "link.csv", tmp_path / "pipe"
    link.symlink_to(tmp_path / "old.csv")
    os.mkfifo(pipe)
    reader, found = read_by_another(pipe)
    with prepared(2**30, tables=[link, pipe]) as (settings, _):
        for path, place in json.loads(settings)["staged"].items():
            Path(place).write_text(f"for {Path(path).name}")
    reader.join(10)
    assert found == [b"for pipe"]
    assert link.is_symlink()
    assert (tmp_path / "old.csv").read_text() == "for link.csv"


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
