"""Looks into one file after another and hands each to the check of its kind."""

from __future__ import annotations

import posixpath
import re
import tarfile
from dataclasses import dataclass, field
from typing import BinaryIO

from medsynth.bundle.audit.configs.references import Config
from medsynth.bundle.audit.configs.structured import read_tree
from medsynth.bundle.audit.file_types.archives import ArchiveError, ends_as_archive, read_directory
from medsynth.bundle.audit.file_types.file_kinds import Kind, found, is_disguise, is_image, named
from medsynth.bundle.audit.file_types.logging_files import audit_logging, looks_like_logging
from medsynth.bundle.audit.file_types.members import UNREADABLE, Member, archive_members
from medsynth.bundle.audit.file_types.packed import audit_gzip
from medsynth.bundle.audit.file_types.pickles import audit_pickle, looks_like_pickle
from medsynth.bundle.audit.file_types.tensors import audit_npy, audit_onnx, audit_openvino, audit_safetensors
from medsynth.bundle.audit.file_types.torchscript import audit_torchscript, torch_objection
from medsynth.bundle.audit.rules.findings import Page
from medsynth.bundle.audit.rules.sizes import LIMITS

_RAW = re.compile(r"([^/]+/)?(data|tensors|constants|xl_model_weights|weights|extra/xl_model_weights)/\d+")
_TORCHSCRIPT_CODE = re.compile(r"([^/]+/)?code/.*\.py")
_HEAD = 1 << 14
_NESTING = 3
_FILES = (".gitignore", ".gitattributes")
_OBJECTIONS = {
    Kind.PROGRAM: (True, "program", "is compiled, so nobody can read what it does"),
    Kind.LAUNCHER: (True, "program", "starts programs when it is opened"),
    Kind.TOOL: (True, "program", "is read by programs that work in its folder, which may run what it says"),
    Kind.CODE: (False, "code", "is code that the bundle brings"),
    Kind.PACKED: (False, "archive", "is packed and was not looked into"),
    Kind.HDF: (False, "file", "can hold programs of other libraries and was not looked into"),
    Kind.MARKUP: (False, "file", "can hold programs that run when it is viewed"),
}
"""Kinds that are not looked into: whether they are refused, what they are called, and why."""


@dataclass
class Contents:
    """What the files of a bundle hold; configs are kept to be judged together."""

    configs: dict[str, Config] = field(default_factory=dict)
    unpacked_files: int = 0
    unpacked_bytes: int = 0

    def look(self, member: Member, page: Page, depth: int = 0, *, named_by_torch: bool = False) -> None:
        """Write findings about one file, or one member of an archive, whose names torch may have given."""
        try:
            with member.open() as stream:
                head = stream.read(_HEAD)
                name, content = named(member.path), found(head, whole=len(head) == member.size)
                if content is not Kind.ARCHIVE and member.size >= 22 and ends_as_archive(stream):
                    page.refuse("disguise", member.path, "has an archive behind something else")
                if content is not None and is_disguise(name, content):
                    page.refuse("disguise", member.path, f"is named as {name.value} and holds a {content.value}")
                kind = name if name in (Kind.TOOL, Kind.LAUNCHER) else content or name
                stream.seek(0)
                if kind in _OBJECTIONS:
                    refused, what, reason = _OBJECTIONS[kind]
                    (page.refuse if refused else page.trust)(what, member.path, reason)
                elif kind in (Kind.TEXT, Kind.CONFIG, Kind.OTHER):
                    self._text(member, name, stream, page)
                else:
                    self._data(kind, content, member, stream, page, depth)
                if not named_by_torch:
                    _judge_name(member.path, kind, head, page)
        except UNREADABLE as error:
            page.refuse("file", member.path, f"cannot be read: {type(error).__name__}: {str(error)[:80]}")

    def _data(self, kind: Kind, content: Kind | None, member: Member, stream: BinaryIO, page: Page, depth: int) -> None:
        suffix = posixpath.splitext(member.path)[1].lower()
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
        elif kind is Kind.GZIP:
            audit_gzip(member.path, stream, page)
        elif kind is Kind.MODEL:
            audit_openvino(stream.read(LIMITS.text + 1), page)
        elif not is_image(stream.read(_HEAD), suffix):
            page.refuse("disguise", member.path, f"is named as a {suffix} image and holds none")

    def _text(self, member: Member, name: Kind, stream: BinaryIO, page: Page) -> None:
        data = stream.read(LIMITS.text + 1)
        whole = len(data) <= LIMITS.text
        logging = member.path.lower().endswith((".conf", ".ini", ".cfg"))
        # A first instruction may be longer than the beginning that was looked at before.
        if looks_like_pickle(data, whole=whole):
            page.refuse("disguise", member.path, f"is named as {name.value} and holds a {Kind.PICKLE.value}")
        elif name is Kind.TEXT and (b"\0" in data or (not whole and b"\n" not in data)):
            page.trust("file", member.path, "is named as text and holds something else")
        if not whole and (name is Kind.CONFIG or logging):
            page.refuse("size", f"{member.size} bytes", f"a config may have {LIMITS.text}")
        elif name is Kind.CONFIG:
            tree = read_tree(data, posixpath.splitext(member.path)[1].lower(), page)
            if tree is not None:
                self.configs[page.file] = Config(page.file, tree, page)
        elif logging or looks_like_logging(data.decode("utf-8", "replace")):
            audit_logging(data.decode("utf-8", "replace"), page)

    def _archive(self, member: Member, stream: BinaryIO, page: Page, depth: int) -> None:
        if depth >= _NESTING:
            page.refuse("archive", member.path, "is an archive in an archive in an archive")
            return
        try:
            entries = read_directory(stream)
        except ArchiveError as error:
            page.refuse("archive", member.path, f"{error}; readers could differ about what it holds")
            return
        weights = any(entry.name.casefold().endswith("data.pkl") for entry in entries)
        for_torch = weights or not member.path.lower().endswith((".zip", ".npz"))
        if for_torch and (reason := torch_objection(entries)):
            page.refuse("archive", member.path, f"{reason}; torch would read it otherwise")
        page.allow("archive", f"{len(entries)} members")
        for inner in archive_members(stream, entries, page.inside):
            self.unpacked_files += 1
            self.unpacked_bytes += inner.size
            if self.unpacked_files > LIMITS.files or self.unpacked_bytes > LIMITS.archived:
                counted = f"{self.unpacked_files} members, {self.unpacked_bytes} bytes"
                page.refuse("size", counted, "more than the audit looks at")
                return
            here = page.inside(inner.path)
            if weights and _RAW.fullmatch(inner.path):
                _read(inner, here)  # torch takes these for bare numbers, whatever they are
            elif _TORCHSCRIPT_CODE.fullmatch(inner.path) and named(member.path) is not Kind.OTHER:
                self._script(inner, here)
            else:
                self.look(inner, here, depth + 1, named_by_torch=for_torch)

    @staticmethod
    def _script(member: Member, page: Page) -> None:
        if member.size > LIMITS.text:
            page.refuse("size", f"{member.size} bytes", f"code may have {LIMITS.text}")
            return
        if (data := _read(member, page)) is not None:
            audit_torchscript(data, page)


def _read(member: Member, page: Page) -> bytes | None:
    try:
        with member.open() as stream:
            return stream.read()
    except UNREADABLE as error:
        page.refuse("file", member.path, f"cannot be read: {type(error).__name__}: {str(error)[:80]}")
        return None


def _judge_name(path: str, kind: Kind, head: bytes, page: Page) -> None:
    """Write a finding about a file whose name is on no list of what bundles hold."""
    if kind is Kind.OTHER and not is_image(head, ".dcm"):
        page.trust("file", path, "is of a kind that no bundle needs, so nobody knows what opens it")
    elif kind is not Kind.TOOL and any(part[0] == "." and part not in _FILES for part in path.split("/") if part):
        page.trust("file", path, "is hidden")


def _may_be_raw(path: str, stream: BinaryIO) -> bool:
    """Return whether a file may be the bare weights of an OpenVINO model; torch reads any tar archive as its own."""
    raw = path.lower().endswith(".bin") and not tarfile.is_tarfile(stream)
    stream.seek(0)
    return raw
