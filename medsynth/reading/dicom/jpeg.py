"""Whether the colors of a JPEG code stream are YCbCr, by its own markers (ITU-T T.81, T.871; Adobe's APP14)."""

from __future__ import annotations

from collections.abc import Iterator

_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_STANDALONE = {0x01, *range(0xD0, 0xD9)}


def is_ycbcr(stream: bytes) -> bool | None:
    """Tell whether three components are luminance and chrominance; None where the stream does not say.

    JFIF knows YCbCr only, Adobe's marker names the transform, and only chrominance is stored at a lower resolution.
    """
    jfif = False
    for marker, content in _segments(stream):
        if marker == 0xE0 and content.startswith(b"JFIF"):
            jfif = True
        elif marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12:
            return content[11] == 1
        elif marker in _START_OF_FRAME and len(content) >= 15 and content[5] == 3:
            identifiers, sampling = content[6::3][:3], content[7::3][:3]
            if identifiers.upper() == b"RGB":
                return False
            if jfif or len(set(sampling)) > 1:
                return True
            return None
    return None


def _segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield markers with their content up to the first scan."""
    place = 2
    while place + 4 <= len(stream) and stream[place] == 0xFF:
        marker = stream[place + 1]
        if marker == 0xFF:  # fill bytes
            place += 1
        elif marker in _STANDALONE:
            place += 2
        elif marker == 0xDA:
            return
        else:
            length = int.from_bytes(stream[place + 2 : place + 4], "big")
            yield marker, stream[place + 4 : place + 2 + length]
            place += 2 + max(length, 2)
