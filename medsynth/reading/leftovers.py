"""What lies beside images in folders and is none: hidden files, leftovers of other programs, segmentation masks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from medsynth.reading.recognition import SUFFIXES, stem

_FOLDERS = ("@eadir", "__macosx", "#recycle", "$recycle.bin", "lost+found", "system volume information", "__pycache__")
_FILES = ("thumbs.db", "desktop.ini")
_MASK_FOLDERS = re.compile(r"(masks?|labels?(tr|ts)|segmentations?|annotations?|ground[ _-]?truths?)", re.IGNORECASE)
_IMAGE_FOLDERS = re.compile(r"(images?(tr|ts)?|imgs?|scans?|volumes?)", re.IGNORECASE)
_MASK = re.compile(
    r"(?P<of>.+?)[ _.-](mask|masks|seg|dseg|segmentation|label|labels|gt|roi)([ _-]?\d+)?", re.IGNORECASE
)


def is_hidden(name: str) -> bool:
    """Tell names that no person gave an image: hidden ones and leftovers of systems and programs."""
    return name.startswith(".") or name.casefold() in (*_FOLDERS, *_FILES)


def is_mask_folder(name: str, siblings: Iterable[str]) -> bool:
    """Tell a folder of masks beside a folder of images: ``labelsTr`` beside ``imagesTr``."""
    return bool(_MASK_FOLDERS.fullmatch(name)) and any(_IMAGE_FOLDERS.fullmatch(one) for one in siblings)


def is_image_folder(name: str) -> bool:
    """Tell a folder that says no more than that it holds images: ``images``, ``imagesTr``, ``scans``."""
    return bool(_IMAGE_FOLDERS.fullmatch(name))


def without_mask_ending(key: str) -> str:
    """Return what image and mask have in common of their names without suffix, in lower case.

    Example:
        >>> without_mask_ending("a_mask"), without_mask_ending("case_0000"), without_mask_ending("case")
        ('a', 'case', 'case')
    """
    match = _MASK.fullmatch(key)
    return match["of"] if match else _shortened(key)


def masks(names: Iterable[str]) -> dict[str, str]:
    """Return the masks among the names of one folder, each with the name of its image.

    A mask is called like an image of the folder with an ending, as in ``a.png`` and ``a_mask.png``, ``a_mask_1.png``.
    BIDS and nnU-Net endings of the image are looked through: ``sub-1_T1w`` is that of ``sub-1_dseg``.

    Example:
        >>> masks(["a.png", "a_mask.png", "b_mask.png"])
        {'a_mask.png': 'a.png'}
    """
    stems = {
        stem(name).casefold(): name for name in sorted(names) if name.lower().endswith(SUFFIXES) or "." not in name
    }
    shortened = {_shortened(key): name for key, name in stems.items() if not _MASK.fullmatch(key)}
    found: dict[str, str] = {}
    for key, name in stems.items():
        match = _MASK.fullmatch(key)
        of = match and (stems.get(match["of"]) or shortened.get(match["of"]))
        if of:
            found[name] = of
    return found


def _shortened(key: str) -> str:
    """Drop BIDS' kind of image, or nnU-Net's number of the channel."""
    return re.sub(r"_(\d{4}|t1w|t2w|flair|t2starw|pdw|ct|bold|dwi)$", "", key)
