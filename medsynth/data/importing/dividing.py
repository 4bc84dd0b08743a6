"""Which of the images that were found are source and which are target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from medsynth.base.errors import InputError
from medsynth.data.importing.folder_items import tally
from medsynth.data.importing.image_items import FoundImages, ImageItem, ImportRequest, fits
from medsynth.data.importing.layouts import LAYOUTS
from medsynth.reading import LeftOut, choose_series

DOMAINS = ("source", "target")


def divide(found: FoundImages, request: ImportRequest, role: str = "") -> None:
    """Give every image its domain, and leave out those that are neither.

    Args:
        found: changed.
        request: what is wanted.
        role: domain of all images of this place that is wanted; empty where the place has both.

    Raises:
        InputError: it is not known which are source and which target, or nothing fits.
    """
    wanted = (role,) if role else DOMAINS
    if not role and not all(item.domain for item in found.items):
        _refuse_unnamed(found, request)
    chosen: dict[int, ImageItem] = {}
    for domain in wanted:
        own = [item for item in found.items if item.domain in ("", domain)]
        if not own:
            said = f" and says that all its {len(found.items):,} images are of the other domain" if role else ""
            hint = f"Name a folder with {domain} images." if role else _other(domain)
            raise InputError(f"{found.place} holds no {domain} images{said}", hint=hint)
        for item in _select(own, found, *request.pattern(domain)):
            if id(item) in chosen:
                fits = f"{request.source_series!r} and {request.target_series!r}"
                raise InputError(f"{item.path} fits both {fits}", hint="Make the patterns narrower.")
            chosen[id(item)] = replace(item, domain=domain)
    oracle = [] if role else [item for item in found.items if item.domain == "oracle"]
    kept = {id(item) for item in oracle} | chosen.keys()
    reason = f"images that are no {role} images" if role else "images that are neither source nor target"
    found.left_out += [LeftOut(item.path, reason) for item in found.items if id(item) not in kept]
    found.items = [*chosen.values(), *oracle]


def _refuse_unnamed(found: FoundImages, request: ImportRequest) -> None:
    """Refuse a place whose images could be of either domain, unless patterns tell them apart."""
    if request.source_series and request.target_series:
        return
    kinds = list(Counter(item.kind for item in found.items))
    what = f"{found.place} is {LAYOUTS[found.layout]}"
    if len(kinds) < 2:
        message = f"{what} with {len(found.items):,} images of one kind; a run needs source images and target images"
        raise InputError(message, hint=_other("target"))
    first, second = (kind.rpartition(" ")[2] or kind for kind in kinds[:2])
    message = f"{what} with images of {len(kinds)} kinds, and which are source and target is not known: "
    hint = (
        f"Say what is translated into what with patterns, e.g. --source-series '{first}' --target-series '{second}'. "
        f"{_other('target')}"
    )
    raise InputError(message + tally(item.kind for item in found.items), hint=hint)


def _other(domain: str) -> str:
    if domain == "target":
        return "Images of the other kind that lie elsewhere: medsynth data import SOURCE --target OTHER --out FOLDER."
    return "Name the folder with the source images first: medsynth data import SOURCE --target OTHER --out FOLDER."


def _select(items: Sequence[ImageItem], found: FoundImages, pattern: str, option: str) -> list[ImageItem]:
    """Return the images of one domain: of DICOM the chosen series, of others those that fit the pattern."""
    series = list({id(item.series): item.series for item in items if item.series}.values())
    others = [item for item in items if not item.series and (not pattern or _fits(item, pattern))]
    chosen: set[int] = set()
    if series:
        try:
            choice = choose_series(series, pattern)
        except InputError as error:
            if not (others and "fits none" in error.message):
                raise InputError(
                    error.message.replace("data.series", option), hint=error.hint.replace("data.series", option)
                ) from error
        else:
            chosen = {id(one) for one in choice.chosen}
            if not pattern:
                left = {id(one): reason for one, reason in choice.left_out}
                found.left_out += [LeftOut(i.path, left[id(i.series)]) for i in items if id(i.series) in left]
                found.items = [item for item in found.items if id(item.series) not in left]
    elif not others:
        hint = "Write a pattern for one of these kinds, a folder or file names, e.g. '*T1*'."
        raise InputError(f"{option} {pattern!r} fits none of {tally(item.kind for item in items)}", hint=hint)
    fitting = {id(item) for item in others}
    return [item for item in items if (id(item.series) in chosen if item.series else id(item) in fitting)]


def _fits(item: ImageItem, pattern: str) -> bool:
    names = (item.kind, *item.folders, item.keys.get("path", ""), item.keys.get("file name", ""))
    known = (*names, item.keys.get("channel", ""), item.keys.get("file name without suffix", ""))
    return any(fits(name, pattern) for name in known if name)
