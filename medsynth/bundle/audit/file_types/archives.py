"""Zip archives, read in one way only: what other readers could take for something else is no archive here.

Python, torch and unpacking programs look for the directory, for names and for content in different places, so that one
file can show each of them other members. Here every byte of the file belongs to exactly one member, to the directory or
to the one record at its end, and all that is said twice must agree.

Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3 to 4.5.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from medsynth.bundle.audit.rules.sizes import MEBIBYTE

STORED, DEFLATED = 0, 8
_LOCAL, _CENTRAL, _DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x07\x08"
_END, _END64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_TAIL = (1 << 16) + 21
_LARGEST_DIRECTORY = 64 * MEBIBYTE
_SMALL, _FULL = 0xFFFF, 0xFFFFFFFF
_HAS_DESCRIPTOR, _UTF8 = 1 << 3, 1 << 11
ZIP64, PADDING = 0x0001, 0x4246
"""Extra fields for sizes, and for nothing but place."""
_TIMES = frozenset({0x5455, 0x7875, 0x5855, 0x000A})
"""Dates and owners, as zip programs add them."""


class ArchiveError(ValueError):
    """Why a file is no archive that every reader understands alike."""


class NoArchiveError(ArchiveError):
    """It has no end record, so no reader takes it for an archive."""


@dataclass(frozen=True)
class Entry:
    """A member as the directory and its own header say.

    Args:
        name: as it is written.
        method: `STORED`, `DEFLATED` or another one, which cannot be read.
        encrypted: so it cannot be read either.
        mode: file type and rights; 0 if none are given.
        crc: checksum of the content.
        packed, size: bytes in the archive, and unpacked.
        start: position of its first byte.
        extras: kinds of extra fields.
    """

    name: str
    method: int
    encrypted: bool
    mode: int
    crc: int
    packed: int
    size: int
    start: int
    extras: frozenset[int]


@dataclass(frozen=True)
class _Listed:
    """A member as the directory says."""

    name: bytes
    flags: int
    method: int
    attributes: int
    crc: int
    packed: int
    size: int
    offset: int
    extras: frozenset[int]


def read_directory(stream: BinaryIO) -> tuple[Entry, ...]:
    """Return the members of an archive in the order of its directory.

    Raises:
        ArchiveError: readers could differ about it, or it is damaged.
    """
    end = stream.seek(0, io.SEEK_END)
    start, length, count = _directory(stream, end)
    listed = list(_listed(_at(stream, start, length), count))
    order = sorted(range(count), key=lambda number: listed[number].offset)
    entries: dict[int, Entry] = {}
    position = 0
    for number, following in zip(order, [*(listed[k].offset for k in order[1:]), start], strict=count > 0):
        if listed[number].offset != position:
            raise ArchiveError(f"holds bytes at {position} that belong to no member")
        position = following
        entries[number] = _entry(stream, listed[number], position)
    if position != start:
        raise ArchiveError("begins with bytes that belong to no member")
    return tuple(entries[number] for number in range(count))


def read_entry(stream: BinaryIO, entry: Entry) -> bytes:
    """Return the content of a member.

    Raises:
        ArchiveError: it is damaged, or packed in a way that is not read here.
    """
    content = _at(stream, entry.start, entry.packed)
    if entry.encrypted or entry.method not in (STORED, DEFLATED):
        raise ArchiveError(f"{entry.name!r} is encrypted or packed in an unusual way")
    if entry.method == DEFLATED:
        decoder = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = decoder.decompress(content, entry.size + 1)
        except zlib.error as error:
            raise ArchiveError(f"{entry.name!r} cannot be unpacked: {error}") from error
        if not decoder.eof or decoder.unused_data:
            raise ArchiveError(f"{entry.name!r} unpacks to another size than it says, or hides bytes")
    if len(content) != entry.size:
        raise ArchiveError(f"{entry.name!r} has {len(content)} bytes instead of {entry.size}")
    if zlib.crc32(content) != entry.crc:
        raise ArchiveError(f"Bad CRC-32 for {entry.name!r}")
    return content


def ends_as_archive(stream: BinaryIO) -> bool:
    """Return whether some reader would find an archive at the end of a file, whatever it begins with."""
    end = stream.seek(0, io.SEEK_END)
    tail = _at(stream, max(0, end - _TAIL - 1), min(end, _TAIL + 1))
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < 22:
        return False
    position = end - len(tail) + place
    length = int.from_bytes(tail[place + 12 : place + 16], "little")
    locator = tail[place - 20 : place - 16] if place >= 20 else b""
    return not length or locator == _LOCATOR or (position >= length and _at(stream, position - length, 4) == _CENTRAL)


def _at(stream: BinaryIO, position: int, length: int) -> bytes:
    stream.seek(position)
    found = stream.read(length)
    if len(found) != length:
        raise ArchiveError("is cut off")
    return found


def _directory(stream: BinaryIO, end: int) -> tuple[int, int, int]:
    """Return position, length and number of members of the directory, after comparing all records about it."""
    tail = _at(stream, max(0, end - _TAIL), min(end, _TAIL))
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < 22:
        raise NoArchiveError("has no directory at its end")
    position = end - len(tail) + place
    disk, first, here, count, length, start, comment = struct.unpack("<4H2IH", tail[place + 4 : place + 22])
    if position + 22 + comment != end:
        raise ArchiveError("goes on after its end record")
    if disk or first or here != count:
        raise ArchiveError("is in several parts")
    if position >= 20 and _at(stream, position - 20, 4) == _LOCATOR:
        position -= 76
        large = _large_end(stream, position)
        for small, value, full in zip((count, length, start), large, (_SMALL, _FULL, _FULL), strict=True):
            if small not in (value, full):
                raise ArchiveError("has two end records that differ")
        count, length, start = large
    if start + length != position:
        raise ArchiveError("does not have its directory directly before its end record")
    if length > _LARGEST_DIRECTORY:
        raise ArchiveError(f"has a directory of {length} bytes")
    return start, length, count


def _large_end(stream: BinaryIO, position: int) -> tuple[int, int, int]:
    if position < 0:
        raise ArchiveError("is cut off")
    data = _at(stream, position, 76)
    mark, size, _, _, disk, first, here, count, length, start = struct.unpack("<4sQHHIIQQQQ", data[:56])
    _, locator_disk, place, disks = struct.unpack("<4sIQI", data[56:])
    plain = not (disk or first or locator_disk) and disks <= 1 and here == count
    if mark != _END64 or size != 44 or place != position or not plain:
        raise ArchiveError("has an end record for large archives that is not where it says")
    return count, length, start


def _listed(directory: bytes, count: int) -> Iterator[_Listed]:
    position = 0
    for _ in range(count):
        head = directory[position : position + 46]
        if len(head) < 46 or head[:4] != _CENTRAL:
            raise ArchiveError("has fewer members than it says")
        fields = struct.unpack("<4s6H3I5H2I", head)
        flags, method, crc, packed, size = fields[3], fields[4], fields[7], fields[8], fields[9]
        name_length, extra_length, comment, disk = fields[10:14]
        attributes, offset = fields[15], fields[16]
        name = directory[position + 46 : position + 46 + name_length]
        begin = position + 46 + name_length
        extras = _extras(directory[begin : begin + extra_length], extra_length)
        position = begin + extra_length + comment
        if position > len(directory) or comment or disk:
            raise ArchiveError("has a member with a comment, in another part, or cut off")
        size, packed, offset = _large(extras, (size, packed, offset))
        yield _Listed(name, flags, method, attributes, crc, packed, size, offset, frozenset(extras))
    if position != len(directory):
        raise ArchiveError("has more members than it says")


def _extras(data: bytes, length: int) -> dict[int, bytes]:
    if len(data) != length:
        raise ArchiveError("is cut off")
    found: dict[int, bytes] = {}
    position = 0
    while position < length:
        if length - position < 4:
            raise ArchiveError("has an extra field that is cut off")
        kind, size = struct.unpack_from("<HH", data, position)
        if kind in found or position + 4 + size > length:
            raise ArchiveError("has an extra field twice, or one that is cut off")
        if kind not in _TIMES | {ZIP64, PADDING}:
            raise ArchiveError(f"has an extra field 0x{kind:04x}, which can give a member another name or size")
        found[kind] = data[position + 4 : position + 4 + size]
        position += 4 + size
    return found


def _large(extras: dict[int, bytes], small: tuple[int, ...]) -> tuple[int, ...]:
    """Return values of which those too large for their field are in an extra field, in their order."""
    wanted = sum(value == _FULL for value in small)
    data = extras.get(ZIP64, b"")
    if len(data) != 8 * wanted:
        raise ArchiveError("has an extra field for large members that does not fit")
    large = iter(struct.unpack(f"<{wanted}Q", data))
    return tuple(next(large) if value == _FULL else value for value in small)


def _entry(stream: BinaryIO, listed: _Listed, following: int) -> Entry:
    """Compare a member's own header, content length and descriptor with the directory; `following` begins next."""
    head = _at(stream, listed.offset, 30)
    mark, _, flags, method, _, _, crc, packed, size, name_length, extra_length = struct.unpack("<4s5H3I2H", head)
    name = _at(stream, listed.offset + 30, name_length)
    extras = _extras(_at(stream, listed.offset + 30 + name_length, extra_length), extra_length)
    size, packed = _large(extras, (size, packed))
    if mark != _LOCAL or (name, flags, method) != (listed.name, listed.flags, listed.method):
        raise ArchiveError("has a member whose header and directory entry differ")
    own, said = (crc, packed, size), (listed.crc, listed.packed, listed.size)
    later = bool(flags & _HAS_DESCRIPTOR)
    if any(value != other and not (later and value == 0) for value, other in zip(own, said, strict=True)):
        raise ArchiveError("has a member whose header and directory entry differ")
    if method == STORED and listed.packed != listed.size:
        raise ArchiveError("has a member of two sizes that is not packed")
    start = listed.offset + 30 + name_length + extra_length
    left = following - start - listed.packed
    if left < 0 or (left and not later):
        raise ArchiveError("has members that overlap, or bytes between them")
    if later:
        _compare_descriptor(_at(stream, following - left, left) if left in (16, 24) else b"", said)
    return Entry(
        name=_text(name, flags),
        method=method,
        encrypted=bool(flags & 1),
        mode=listed.attributes >> 16,
        crc=listed.crc,
        packed=listed.packed,
        size=listed.size,
        start=start,
        extras=frozenset(extras) | listed.extras,
    )


def _compare_descriptor(data: bytes, said: tuple[int, int, int]) -> None:
    fields = struct.unpack("<4sIQQ" if len(data) == 24 else "<4sIII", data) if data else ()
    if fields != (_DESCRIPTOR, *said):
        raise ArchiveError("has a member whose descriptor and directory entry differ")


def _text(name: bytes, flags: int) -> str:
    if not name.isascii() and not flags & _UTF8:
        raise ArchiveError("has a name that readers decode differently")
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise ArchiveError("has a name that is no UTF-8") from error
