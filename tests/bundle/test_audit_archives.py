"""Archives that two readers understand differently are refused, as weights and as bundles."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from medsynth.bundle.audit import Verdict, audit_bundle
from medsynth.bundle.audit.file_types.archives import ArchiveError, ends_as_archive, read_directory, read_entry
from medsynth.bundle.audit.file_types.torchscript import torch_objection
from medsynth.bundle.opening.loading import torch_members

from .archives import Layout, Part, another_name, end_record, members_of, parts_of, two_directories
from .samples import files, write


def saved() -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": torch.arange(40.0), "bias": torch.zeros(2)}, buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def parts() -> list[Part]:
    return parts_of(saved())


def _extra(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _with_first(parts, **changes):
    return Layout(parts=[replace(parts[0], **changes), *parts[1:]]).build()


def _with_end64(parts, **changes):
    body, directory = members_of(parts)
    values = {"count": len(parts), "length": len(directory), "start": len(body), "place": len(body) + len(directory)}
    values |= changes
    end64 = b"PK\x06\x06" + struct.pack(
        "<QHHIIQQQQ", 44, 0, 0, 0, 0, values["count"], values["count"], values["length"], values["start"]
    )
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, values["place"], 1)
    return body + directory + end64 + locator + end_record(len(parts), len(directory), len(body))


def _hidden(parts):
    return two_directories(
        {part.name: part.content for part in parts}, {part.name: part.content[::-1] for part in parts}
    )


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


EITHER = {
    "two directories": _hidden,
    "another name in an extra field": lambda p: Layout(parts=[another_name(p[0], b"archive/x"), *p[1:]]).build(),
    "another comment in an extra field": lambda p: _with_first(p, listed_extra=_extra(0x6375, b"\1\0\0\0\0a")),
    "unknown extra field": lambda p: _with_first(p, own_extra=_extra(0x9999)),
    "extra field cut off": lambda p: _with_first(p, own_extra=b"FB\xff\xff"),
    "extra field twice": lambda p: _with_first(p, own_extra=_extra(0x4246) * 2),
    "size in an extra field": lambda p: _with_first(p, listed_extra=_extra(1, bytes(8))),
    "something before": lambda p: Layout(parts=p, before=b"MZ" + bytes(98)).build(),
    "something before that is not counted": lambda p: b"MZ" + bytes(98) + Layout(parts=p).build(),
    "something behind": lambda p: Layout(parts=p, after=b"<script>").build(),
    "something between": lambda p: Layout(parts=p, between=bytes(30)).build(),
    "something behind the directory": lambda p: Layout(parts=p, behind=bytes(30)).build(),
    "an end record in the comment": lambda p: Layout(parts=p, comment=end_record(0, 0, 0)).build(),
    "a member that is not listed": lambda p: Layout(
        parts=p, between=members_of([Part(b"archive/hidden", b"secret")])[0]
    ).build(),
    "another name in the header": lambda p: _with_first(p, own_name=b"archive/data.pkk"),
    "another size in the header": lambda p: _with_first(p, own_size=5),
    "another size in the directory": lambda p: _with_first(p, listed_size=5),
    "two sizes": lambda p: _with_first(p, packed=p[0].content + b"x"),
    "another checksum": lambda p: _with_first(p, listed_crc=5),
    "two members in one place": lambda p: Layout(parts=[*p, replace(p[0], name=b"archive/x", offset=0)]).build(),
    "fewer members than it says": lambda p: Layout(parts=p, count=len(p) + 1).build(),
    "more members than it says": lambda p: Layout(parts=p, count=len(p) - 1).build(),
    "a longer directory than there is": lambda p: Layout(parts=p, length=1 << 20).build(),
    "a directory elsewhere": lambda p: Layout(parts=p, start=0).build(),
    "a name without encoding": lambda p: _with_first(p, name=b"archive/data\xe4.pkl"),
    "another count in the large end record": lambda p: _with_end64(p, count=1),
    "another start in the large end record": lambda p: _with_end64(p, start=0),
    "a large end record elsewhere": lambda p: _with_end64(p, place=0),
    "a member twice": lambda p: Layout(parts=[*p, p[0]]).build(),
    "a folder that holds bytes": lambda p: Layout(parts=[*p, Part(b"archive/folder/", b"x")]).build(),
    "bytes behind packed ones": lambda p: _with_first(p, method=8, packed=_deflated(p[0].content) + b"hidden"),
    "packed bytes that go on": lambda p: _with_first(p, method=8, content=b"a", packed=_deflated(b"ab")),
    "packed bytes that end early": lambda p: _with_first(p, method=8, packed=_deflated(p[0].content)[:-3]),
    "cut off": lambda p: Layout(parts=p).build()[:-30],
}
TORCH = {
    "names that differ in case only": lambda p: Layout(parts=[*p, Part(b"archive/DATA.PKL", b"x")]).build(),
    "two folders": lambda p: Layout(parts=[*p, Part(b"other/data.pkl", b"x")]).build(),
    "no folder": lambda p: Layout(parts=[replace(part, name=part.name[8:]) for part in p]).build(),
    "dates": lambda p: _with_first(p, own_extra=_extra(0x5455, b"\1\0\0\0\0")),
    "packed pickle": lambda p: _with_first(p, method=8, packed=_deflated(p[0].content)),
}


@pytest.mark.parametrize("name", [*EITHER, *TORCH])
@pytest.mark.parametrize("file", ["models/model.pt", "models/model.ts", "data.bin"])
def test_weights_that_readers_understand_differently_are_refused(tmp_path, parts, file, name):
    content = {**EITHER, **TORCH}[name](parts)
    audit = audit_bundle(write(tmp_path, {**files(), file: content}))
    assert {finding.file.partition("!")[0] for finding in audit.objections} == {file}
    assert audit.verdict is Verdict.REFUSED


@pytest.mark.parametrize("name", [name for name in EITHER if name != "cut off"])
def test_bundles_that_readers_understand_differently_are_refused(tmp_path, name):
    parts = [Part(f"bundle/{path}".encode(), content) for path, content in files().items()]
    path = tmp_path / "a.zip"
    path.write_bytes(EITHER[name](parts))
    assert audit_bundle(path).verdict is Verdict.REFUSED


def test_the_samples_are_what_they_claim(parts):
    """Python's reader and torch's find other things in some, and without the fault nothing is wrong."""
    two = _hidden(parts)
    with zipfile.ZipFile(io.BytesIO(two)) as archive:
        shown = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    hidden = dict(torch_members(io.BytesIO(two)))
    assert shown.keys() == hidden.keys()
    assert shown["data.pkl"] == parts[0].content == hidden["data.pkl"][::-1]
    cased = io.BytesIO(TORCH["names that differ in case only"](parts))
    found = dict(torch_members(cased))
    assert found["data.pkl"] == found["DATA.PKL"] == parts[0].content
    for plain in (Layout(parts=parts).build(), _with_end64(parts), saved()):
        entries = read_directory(io.BytesIO(plain))
        assert torch_objection(entries) == ""
        assert [read_entry(io.BytesIO(plain), entry) for entry in entries] == [part.content for part in parts]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python took names from extra fields later")
def test_python_itself_shows_another_name(parts):
    content = EITHER["another name in an extra field"](parts)
    assert zipfile.ZipFile(io.BytesIO(content)).namelist()[0] == "archive/x"


def test_archives_of_other_programs_are_read(tmp_path):
    """NumPy, Python to a pipe, and zip where it is installed."""
    arrays, piped = io.BytesIO(), _Pipe()
    np.savez(arrays, a=np.arange(4))
    with zipfile.ZipFile(piped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bundle/ä.txt", b"a" * 500)
        archive.writestr("bundle/empty", b"")
    contents = [arrays.getvalue(), piped.getvalue(), end_record(0, 0, 0), end_record(0, 0, 0, b"comment")]
    write(tmp_path / "bundle", {"a.txt": b"text", "b/c.txt": bytes(3000)})
    try:
        subprocess.run(["zip", "-qr", "a.zip", "bundle"], cwd=tmp_path, check=True)
        contents.append((tmp_path / "a.zip").read_bytes())
    except FileNotFoundError:
        pass
    for content in contents:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            expected = {name: archive.read(name) for name in archive.namelist()}
        stream = io.BytesIO(content)
        assert {entry.name: read_entry(stream, entry) for entry in read_directory(stream)} == expected


class _Pipe(io.BytesIO):
    """Cannot go back, so sizes follow the content."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise OSError

    def tell(self):
        raise OSError


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"no archive" * 9])
def test_what_has_no_end_record_is_no_archive(content):
    assert not ends_as_archive(io.BytesIO(content))
    with pytest.raises(ArchiveError):
        read_directory(io.BytesIO(content))


@pytest.mark.parametrize("head", [b"\x89PNG\r\n\x1a\n", b"\x80\x04N.", b"text\n", b"\x93NUMPY\x01\x00"])
def test_an_archive_behind_something_else_is_refused(tmp_path, head):
    audit = audit_bundle(write(tmp_path, {**files(), "samples/a.png": head + Layout(parts=[Part(b"a", b"b")]).build()}))
    assert any("behind something else" in finding.reason for finding in audit.objections)
    assert audit.verdict is Verdict.REFUSED
