"""A reading study: which images, called by pseudonyms that nobody without its key can resolve, in which orders."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError
from medsynth.base.seals import read_sealed, sealed
from medsynth.base.version import __version__
from medsynth.data.png import pixel_digest
from medsynth.readers.shown_images import ShownImage

MOST_REPEATED = 1 / 3
"""Share of the images at most that a reader sees twice: those of the first third come again in the last one."""
_GROUP = re.compile(r"[\w .-]{1,40}")


@dataclass(frozen=True)
class ReadingStudy:
    """What the key file holds.

    Args:
        task: what readers are asked.
        secret: makes the pseudonyms.
        cases: by name the digest of each image's pixels.
        orders: by reader the pseudonyms in the order in which they are shown; some come twice.
        groups: of readers, to choose from.
    """

    task: str
    secret: bytes
    cases: Mapping[str, str]
    orders: Mapping[str, Sequence[str]]
    groups: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Tells studies apart; stands in the page and in every line of its answers."""
        return "s" + keyed(self.secret, "study")[:11]

    @cached_property
    def names(self) -> dict[str, str]:
        """The name of each image by its pseudonym, in the order of pseudonyms, which tells nothing."""
        return dict(sorted((pseudonym(self.secret, name), name) for name in self.cases))

    def key_text(self) -> str:
        """Return the text of the key file."""
        content = {
            "schema": 1,
            "medsynth": __version__,
            "study": self.name,
            "task": self.task,
            "secret": self.secret.hex(),
            "cases": dict(self.cases),
            "orders": {reader: list(order) for reader, order in self.orders.items()},
            "groups": list(self.groups),
        }
        return sealed(content)


def keyed(secret: bytes, text: str) -> str:
    """Return the HMAC-SHA256 of a text in hexadecimal digits."""
    return hmac.new(secret, text.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()


def pseudonym(secret: bytes, name: str) -> str:
    """Return what an image is called in the page; begins with a letter, so that no spreadsheet makes it a number."""
    return "i" + keyed(secret, f"image/{name}")[:15]


def draw_study(
    images: Sequence[ShownImage],
    *,
    task: str,
    readers: int,
    repeats: float,
    seed: int,
    groups: Sequence[str] = (),
    secret: bytes = b"",
) -> ReadingStudy:
    """Draw an order for each reader.

    Orders depend on the secret as well as on the seed: from the seed alone they would tell where the list of images
    began, and with it what is true of them.

    Args:
        images: that are shown.
        task: what readers are asked.
        readers: how many.
        repeats: share of the images that each reader sees twice, others for each.
        seed: of the orders.
        groups: of readers, to choose from.
        secret: of the pseudonyms; empty = a new one.

    Raises:
        InputError: a value cannot be used.
    """
    if not 0 <= repeats <= MOST_REPEATED:
        raise InputError(f"--repeats {repeats:g} is not between 0 and {MOST_REPEATED:.3f}", hint="0.1 is usual.")
    for group in groups:
        if not _GROUP.fullmatch(group):
            raise InputError(f"--groups: {group!r} is no name of a group", hint="Use letters, digits, spaces, . - _")
    secret = secret or secrets.token_bytes(32)
    called = sorted(pseudonym(secret, image.name) for image in images)
    names = [f"R{number:02}" for number in range(1, readers + 1)]
    return ReadingStudy(
        task=task,
        secret=secret,
        cases={image.name: pixel_digest(image.pixels) for image in images},
        orders={name: _order(called, round(repeats * len(called)), secret, f"{seed}/{name}") for name in names},
        groups=tuple(dict.fromkeys(groups)),
    )


def _order(called: Sequence[str], repeats: int, secret: bytes, salt: str) -> list[str]:
    order = _shuffled(called, secret, f"order/{salt}")
    third = len(order) // 3
    again = _shuffled(order[:third], secret, f"again/{salt}")[:repeats]
    return order[: 2 * third] + _shuffled(order[2 * third :] + again, secret, f"end/{salt}")


def _shuffled(items: Sequence[str], secret: bytes, salt: str) -> list[str]:
    return sorted(items, key=lambda item: keyed(secret, f"{salt}/{item}"))


def read_key(path: Path) -> ReadingStudy:
    """Read a key file.

    Raises:
        InputError: it is damaged, or no key of a reading page.
    """
    content: dict[str, Any] = read_sealed(path, hint="Give the key file that `medsynth readers make` wrote.")
    try:
        study = ReadingStudy(
            task=str(content["task"]),
            secret=bytes.fromhex(content["secret"]),
            cases=dict(content["cases"]),
            orders=dict(content["orders"]),
            groups=tuple(content["groups"]),
        )
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{path} is no key of a reading page", hint="Give the key file that `medsynth readers make` wrote."
        ) from None
    if study.name != content.get("study"):
        raise InputError(f"{path} does not fit its own study", hint="Give the key file as it was written.")
    return study
