"""Looks into one file after another and hands each to the check of its kind."""

from __future__ import annotations

import io
import posixpath
import re
import tarfile
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

from medsynth.bundle.audit.kinds import Kind, found, is_disguise, named
from medsynth.bundle.audit.ledger import Page
from medsynth.bundle.audit.limits import LIMITS, MEBIBYTE
from medsynth.bundle.audit.logging_files import audit_logging, looks_like_logging
from medsynth.bundle.audit.pickles import audit_pickle
from medsynth.bundle.audit.references import Config
from medsynth.bundle.audit.sources import UNREADABLE, Member, archive_members
from medsynth.bundle.audit.structured import read_tree
from medsynth.bundle.audit.torchscript import audit_torchscript
from medsynth.bundle.audit.weights import audit_npy, audit_onnx, audit_safetensors

_RAW = re.compile(r"([^/]+/)?(data|tensors|constants|xl_model_weights|weights|extra/xl_model_weights)/\d+")
_TORCHSCRIPT_CODE = re.compile(r"([^/]+/)?code/.*\.py")
_HEAD = 1 << 14
_NESTING = 3


@dataclass
class Contents:
    """What the files of a bundle hold; configs are kept to be judged together."""

    configs: dict[str, Config] = field(default_factory=dict)
    unpacked_files: int = 0
    unpacked_bytes: int = 0

    def look(self, member: Member, page: Page, depth: int = 0) -> None:
        """Write findings about one file."""
        try:
            with member.open() as stream:
                head = stream.read(_HEAD)
                stream.seek(0)
                self._kind(member, stream, head, page, depth)
        except UNREADABLE as error:
            page.refuse("file", member.path, f"cannot be read: {type(error).__name__}: {str(error)[:80]}")

    def _kind(self, member: Member, stream: BinaryIO, head: bytes, page: Page, depth: int) -> None:
        name, content = named(member.path), found(head, whole=len(head) == member.size)
        if content is None and member.size > 22 and _ends_as_zip(stream, member.size):
            content = Kind.ARCHIVE
        if content is not None and is_disguise(name, content):
            page.refuse("disguise", member.path, f"is named as {name.value} and holds a {content.value}")
        kind = content or name
        if kind is Kind.ARCHIVE:
            self._archive(member, stream, page, depth)
        elif kind is Kind.PICKLE:
            audit_pickle(stream, page, raw=content is None and _may_be_raw(member.path, stream))
        elif kind is Kind.NPY:
            audit_npy(stream, page)
        elif kind is Kind.SAFETENSORS:
            audit_safetensors(stream, member.size, page)
        elif kind is Kind.ONNX:
            audit_onnx(stream, member.size, page)
        elif kind is Kind.PROGRAM:
            page.refuse("program", member.path, "is compiled, so nobody can read what it does")
        elif kind is Kind.CODE:
            page.trust("code", member.path, "is code that the bundle brings")
        elif kind is Kind.PACKED or (kind is Kind.GZIP and _is_tar(member.path)):
            page.trust("archive", member.path, "is packed and was not looked into")
        elif kind is Kind.GZIP:
            _gzip(stream, page)
        elif kind is Kind.HDF:
            page.trust("file", member.path, "can hold programs of other libraries and was not looked into")
        else:
            self._text(member, name, stream, page)

    def _text(self, member: Member, name: Kind, stream: BinaryIO, page: Page) -> None:
        if name not in (Kind.CONFIG, Kind.TEXT):
            return
        data = stream.read(LIMITS.text + 1)
        logging = member.path.lower().endswith((".conf", ".ini", ".cfg"))
        if len(data) > LIMITS.text and (name is Kind.CONFIG or logging):
            page.refuse("size", f"{member.size} bytes", f"a config may have {LIMITS.text}")
        elif name is Kind.CONFIG:
            tree = read_tree(data, posixpath.splitext(member.path)[1].lower(), page)
            if tree is not None:
                self.configs[page.file] = Config(page.file, tree, page)
        elif logging or looks_like_logging(text := data.decode("utf-8", "replace")):
            audit_logging(data.decode("utf-8", "replace") if logging else text, page)

    def _archive(self, member: Member, stream: BinaryIO, page: Page, depth: int) -> None:
        if depth >= _NESTING:
            page.refuse("archive", member.path, "is an archive in an archive in an archive")
            return
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
            page.allow("archive", f"{len(names)} members")
            weights = any(name.endswith("data.pkl") for name in names)
            for inner in archive_members(archive, page.inside):
                # torch reads these as bare numbers.
                if weights and _RAW.fullmatch(inner.path):
                    continue
                self.unpacked_files += 1
                self.unpacked_bytes += inner.size
                if self.unpacked_files > LIMITS.files or self.unpacked_bytes > LIMITS.archived:
                    page.refuse(
                        "size",
                        f"{self.unpacked_files} members, {self.unpacked_bytes} bytes",
                        "more than the audit looks at",
                    )
                    return
                self._inner(inner, page.inside(inner.path), member, depth)

    def _inner(self, inner: Member, here: Page, outer: Member, depth: int) -> None:
        if _TORCHSCRIPT_CODE.fullmatch(inner.path) and named(outer.path) is not Kind.OTHER:
            self._script(inner, here)
        else:
            self.look(inner, here, depth + 1)

    @staticmethod
    def _script(member: Member, page: Page) -> None:
        if member.size > LIMITS.text:
            page.refuse("size", f"{member.size} bytes", f"code may have {LIMITS.text}")
            return
        try:
            with member.open() as stream:
                audit_torchscript(stream.read(), page)
        except UNREADABLE as error:
            page.refuse("file", member.path, f"cannot be read: {type(error).__name__}: {str(error)[:80]}")


def _ends_as_zip(stream: BinaryIO, size: int) -> bool:
    """Return whether a file has the directory of a zip archive at its end, whatever it begins with."""
    stream.seek(max(0, size - 66_000))
    tail = stream.read(66_000)
    stream.seek(0)
    return b"PK\x05\x06" in tail and zipfile.is_zipfile(io.BytesIO(tail) if size <= 66_000 else stream)


def _may_be_raw(path: str, stream: BinaryIO) -> bool:
    """Return whether a file may be the bare weights of an OpenVINO model; torch reads any tar archive as its own."""
    raw = path.lower().endswith(".bin") and not tarfile.is_tarfile(stream)
    stream.seek(0)
    return raw


def _is_tar(path: str) -> bool:
    return path.lower().endswith((".tar.gz", ".tgz"))


def _gzip(stream: BinaryIO, page: Page) -> None:
    """Unpack the beginning: what grows beyond all measure there is refused, what unpacks to a pickle is looked at."""
    stream.seek(0)
    decoder = zlib.decompressobj(wbits=31)
    unpacked = taken = 0
    first = b""
    while unpacked < 64 * MEBIBYTE and not decoder.eof and (data := stream.read(1 << 16)):
        taken += len(data)
        piece = decoder.decompress(data, 16 * MEBIBYTE)
        while piece:
            first = first or piece[:_HEAD]
            unpacked += len(piece)
            if unpacked > max(MEBIBYTE, taken * LIMITS.ratio):
                page.refuse("size", f"{unpacked} bytes in {taken}", "unpacks to too much")
                return
            piece = decoder.decompress(decoder.unconsumed_tail, 16 * MEBIBYTE)
    if (kind := found(first, whole=len(first) < _HEAD)) is not None:
        page.refuse("disguise", page.file, f"unpacks to a {kind.value}")
    else:
        page.allow("archive", "packed data")
