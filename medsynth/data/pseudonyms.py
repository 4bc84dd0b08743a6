"""What people, places and files are called wherever a run is shown to others, and the key that resolves it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth.base.files import csv_text, write_text

if TYPE_CHECKING:
    import numpy as np

    from medsynth.data.images import Record

KEY = "key.csv"
"""Name of the file that says what a pseudonym stands for; it stays where the data is."""
CENTER, IMAGE, PATIENT = "center", "image", "patient"
REMOVED = "(removed)"
_SHORTEST = 4
"""Characters of a name that is looked for in sentences; a shorter one is part of too many words."""


class Pseudonyms:
    """Gives every name a pseudonym, the same for the same data.

    Images and patients are numbered in an order that their names do not tell; other names get letters in the order in
    which they are first asked for.

    Args:
        shown: names stay what they are.
    """

    def __init__(self, *, shown: bool = True) -> None:
        self.shown = shown
        self._known: dict[tuple[str, str], str] = {}
        self._places: tuple[str, ...] = ()

    @classmethod
    def of(cls, records: Sequence[Record], *, shown: bool, places: Iterable[str] = ()) -> Pseudonyms:
        """Return pseudonyms of all images and patients of a manifest, and of the values of its further columns.

        Numbers are no names, except those of centers.

        Args:
            records: the manifest.
            shown: names stay what they are.
            places: paths that sentences may hold; they are left out.
        """
        made = cls(shown=shown)
        made._places = tuple(sorted({place for place in places if len(place) >= _SHORTEST}, key=len, reverse=True))
        for kind, names in ((IMAGE, {r.image for r in records}), (PATIENT, {r.patient for r in records})):
            for number, name in enumerate(sorted(names - {""}, key=_order), start=1):
                made._known[kind, name] = f"{kind}-{number}"
        for column in sorted({column for record in records for column in record.extra}):
            values = {record.extra.get(column, "") for record in records} - {""}
            if column == CENTER or not all(map(_is_number, values)):
                for value in sorted(values):
                    made.alias(column, value)
        return made

    def alias(self, kind: str, name: str) -> str:
        """Return what to call something: ``image-7`` for an image of the data, else a letter per name of a kind.

        A name of an image that is none of the data's is returned as it is, and so is every name where names are shown.
        """
        if self.shown or not name:
            return name
        if kind == IMAGE:
            file, mark, place = name.rpartition("#")
            found = self._known.get((kind, name)) or self._known.get((kind, file))
            return name if found is None else found if (kind, name) in self._known else f"{found}{mark}{place}"
        if (kind, name) not in self._known:
            self._known[kind, name] = _letters(sum(known == kind for known, _ in self._known))
        return self._known[kind, name]

    def groups(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return columns of a manifest, (N,) str each, with values such as ``center A``; numbers stay numbers."""
        import numpy as np

        return {
            column: np.array([self._group(column, value) for value in values], dtype=object)
            for column, values in columns.items()
        }

    def _group(self, column: str, value: str) -> str:
        known = self._known.get((column, value))
        return value if self.shown or known is None else f"{column} {known}"

    def hide(self, text: str) -> str:
        """Return a sentence in which the names of images, patients and groups are replaced, and places left out."""
        if self.shown:
            return text
        for place in self._places:
            text = text.replace(place, REMOVED)
        for part, whole in self._parts():
            if part in text:
                text = text.replace(part, whole)
        return text

    def names_in(self, text: str) -> list[str]:
        """Return the names of images, patients and centers that stand in a text as words of their own, in any case."""
        lowered = text.lower()
        return [
            part
            for part, _ in self._parts((IMAGE, PATIENT, CENTER))
            if part.lower() in lowered and re.search(rf"(?<!\w){re.escape(part.lower())}(?!\w)", lowered)
        ]

    def _parts(self, kinds: Collection[str] = ()) -> Iterator[tuple[str, str]]:
        """Yield what to look for in sentences, long names first, and what stands for it; of all kinds, or of these."""
        for kind, name in sorted(self._known, key=lambda known: -len(known[1])):
            code = self._known[kind, name]
            whole = code if kind in (IMAGE, PATIENT) else f"{kind} {code}"
            for part in (name, Path(name).name) if kind == IMAGE else (name,):
                if len(part) >= _SHORTEST and not _is_number(part) and (not kinds or kind in kinds):
                    yield part, whole

    def write_key(self, path: Path) -> None:
        """Write which pseudonym stands for what, or nothing where names are shown.

        Raises:
            RunError: it cannot be written.
        """
        if self.shown or not self._known:
            return
        rows = ((kind, code, name) for (kind, name), code in self._known.items())
        write_text(path, csv_text([("kind", "pseudonym", "name"), *rows]))


def _order(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()


def _letters(number: int) -> str:
    """Return A, B, ..., Z, AA, AB, ... for 0, 1, ..."""
    return (_letters(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
