"""The page on which readers look at images and answer: one file, nothing in it that tells what is true."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medsynth.base.errors import InputError
from medsynth.base.files import write_text
from medsynth.readers.keyed_study import ReadingStudy
from medsynth.readers.shown_images import DIAGNOSE, ShownImage

KEY_ENDING = "-key.json"
"""Of the file beside the page that resolves its pseudonyms; it stays with the owner of the study."""


def key_beside(page: Path) -> Path:
    """Return where the key of a page lies."""
    return page.with_name(page.stem + KEY_ENDING)


def make_reading(study: ReadingStudy, images: Sequence[ShownImage], out: Path, *, positive: str) -> Path:
    """Write the page `out` and its key beside it; return the key's path.

    Args:
        study: drawn for these images.
        images: that are shown, all of one size.
        out: of the page.
        positive: name of the positive class.

    Raises:
        InputError: one of both files is there already.
        RunError: they cannot be written.
    """
    key = key_beside(out)
    refuse_existing(out)
    text = page_text(study, images, positive=positive)
    write_text(key, study.key_text())
    try:
        write_text(out, text)
    except BaseException:
        key.unlink(missing_ok=True)  # a key without a page
        raise
    return key


def refuse_existing(out: Path) -> None:
    """Refuse to replace a page or a key, without which answers could never be resolved.

    Raises:
        InputError: names the file.
    """
    for path in (out, key_beside(out)):
        if path.exists():
            raise InputError(f"{path} exists, and readers may be at work with it", hint="Choose another --out.")


def page_text(study: ReadingStudy, images: Sequence[ShownImage], *, positive: str) -> str:
    """Return the page.

    Pixels are uncompressed values without any header, so that no length, and nothing beside them, differs between
    images; images stand in the order of their pseudonyms.
    """
    pixels = {image.name: image.pixels for image in images}
    channels, height, width = images[0].pixels.shape
    content = {
        "study": study.name,
        "task": study.task,
        "size": [width, height],
        "channels": channels,
        "orders": study.orders,
        "images": {called: _values(pixels[name]) for called, name in study.names.items()},
    }
    style, script = (_part(name) for name in ("reading.css", "reading.js"))
    environment = Environment(
        loader=PackageLoader("medsynth", "readers"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("reading.html").render(
        study=study.name,
        words=words(study.task, positive),
        groups=study.groups,
        number=len(next(iter(study.orders.values()))),
        # A script element ends at the first "</" in it.
        content=Markup(json.dumps(content).replace("<", "\\u003c")),
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def words(task: str, positive: str) -> Mapping[str, str]:
    """Return the question and its two answers."""
    if task != DIAGNOSE:
        return {"question": "Is this image real or synthetic?", "negative": "real", "positive": "synthetic"}
    if positive == "positive":
        return {"question": "Is this image positive?", "negative": "negative", "positive": "positive"}
    return {"question": f"Does this image show {positive}?", "negative": f"not {positive}", "positive": positive}


def _values(pixels: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(np.moveaxis(pixels, 0, -1)).tobytes()).decode()


def _part(name: str) -> str:
    return (resources.files("medsynth") / "readers" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
