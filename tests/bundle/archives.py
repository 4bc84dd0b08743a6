"""Zip archives put together by hand, so that readers differ about what they hold."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Part:
    """A member with what its own header and the directory say about it; None = the truth.

    Args:
        name, content: of the member.
        own_name, own_size: what its header says.
        listed_name, listed_size, listed_crc, offset: what the directory says.
        own_extra, listed_extra: extra fields.
        flags, method, attributes: in both.
        packed: bytes in the archive; None = the content.
    """

    name: bytes
    content: bytes
    own_name: bytes | None = None
    own_size: int | None = None
    listed_name: bytes | None = None
    listed_size: int | None = None
    listed_crc: int | None = None
    offset: int | None = None
    own_extra: bytes = b""
    listed_extra: bytes = b""
    flags: int = 0
    method: int = 0
    attributes: int = 0
    packed: bytes | None = None


@dataclass
class Layout:
    """How parts are put together.

    Args:
        before, after: bytes around everything.
        between: bytes between members and directory.
        behind: bytes between directory and end record.
        comment: of the end record.
        count, start, length: what the end record says; None = the truth.
    """

    before: bytes = b""
    after: bytes = b""
    between: bytes = b""
    behind: bytes = b""
    comment: bytes = b""
    count: int | None = None
    start: int | None = None
    length: int | None = None
    parts: list[Part] = field(default_factory=list)

    def build(self) -> bytes:
        """Return the archive."""
        body, directory = members_of(self.parts, len(self.before))
        start = len(self.before) + len(body) + len(self.between)
        end = end_record(
            len(self.parts) if self.count is None else self.count,
            len(directory) if self.length is None else self.length,
            start if self.start is None else self.start,
            self.comment,
        )
        return self.before + body + self.between + directory + self.behind + end + self.after


def members_of(parts: list[Part], base: int = 0, shift: int = 0) -> tuple[bytes, bytes]:
    """Return members that begin at `base`, and their directory, in which all positions are moved by `shift`."""
    body, directory = b"", b""
    for part in parts:
        packed = part.content if part.packed is None else part.packed
        own = part.name if part.own_name is None else part.own_name
        listed = part.name if part.listed_name is None else part.listed_name
        size = len(part.content)
        crc = zlib.crc32(part.content)
        offset = base + len(body) + shift if part.offset is None else part.offset
        own_sizes = (len(packed), size) if part.own_size is None else (part.own_size, part.own_size)
        listed_sizes = (len(packed), size) if part.listed_size is None else (part.listed_size, part.listed_size)
        fixed = (20, part.flags, part.method, 0, 0)
        body += b"PK\x03\x04" + struct.pack("<5H3I2H", *fixed, crc, *own_sizes, len(own), len(part.own_extra))
        body += own + part.own_extra + packed
        listed_crc = crc if part.listed_crc is None else part.listed_crc
        directory += b"PK\x01\x02" + struct.pack("<6H3I", 20, *fixed, listed_crc, *listed_sizes)
        lengths = (len(listed), len(part.listed_extra), 0, 0, 0)
        directory += struct.pack("<5H2I", *lengths, part.attributes, offset) + listed + part.listed_extra
    return body, directory


def end_record(count: int, length: int, start: int, comment: bytes = b"") -> bytes:
    """Return the record at the end of an archive."""
    return b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, count, count, length, start, len(comment)) + comment


def parts_of(content: bytes) -> list[Part]:
    """Return the members of an ordinary archive, to be put together again."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [Part(name.encode(), archive.read(name)) for name in archive.namelist()]


def two_directories(shown: Mapping[bytes, bytes], hidden: Mapping[bytes, bytes]) -> bytes:
    """Return an archive of which Python's reader sees `shown` and torch's `hidden`; their names must be the same.

    Python looks for the directory directly before the end record, torch where that record says.
    """
    first, listed = members_of([Part(name, content) for name, content in hidden.items()])
    length = len(listed)
    first += bytes(length)  # Python's positions are smaller by this much and may not fall below zero
    second, shifted = members_of([Part(name, content) for name, content in shown.items()], len(first), -length)
    start = len(first) + len(second)
    return first + second + listed + shifted + end_record(len(hidden), length, start)


def another_name(part: Part, name: bytes) -> Part:
    """Return a member that Python 3.12 and later show under `name`, and torch under its own."""
    field = struct.pack("<HHBI", 0x7075, 5 + len(name), 1, zlib.crc32(part.name)) + name
    return replace(part, listed_extra=field)
