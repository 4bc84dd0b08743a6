"""The diagrams of the docs as SVG that needs nothing from elsewhere: the flow, what is held out, the bundle.

Each is drawn twice, for light and for dark pages. They are narrow, so that a phone shows them legibly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

FLOW = (
    ("data", "manifest, patients split into", "training, validation and test"),
    ("generator", "learns from unpaired images of", "both domains to translate"),
    ("synthesis", "translates the training patients'", "source images; labels go along"),
    ("classifier", "real and synthetic images, then", "real ones; and the controls"),
    ("evaluation", "real test images of patients that", "nothing has seen, with intervals"),
    ("bundle", "both networks for MONAI,", "without medsynth"),
    ("report", "one page: verdict, figures,", "images one by one"),
)
HELD_OUT = (
    ("generator", "both domains, no pairs", "l l . . . ."),
    ("which epoch is kept", "kernel distance", ". . c c . ."),
    ("synthesis", "translated, label kept", "m . . . . ."),
    ("classifier", "and the synthetic images", ". l . . . ."),
    ("weights, threshold", "of the classifier", ". . . c . ."),
    ("scores of images", "translations against real", ". . . . s s"),
    ("scores of classifiers", "real images only", ". . . . . s"),
)
USES = {"l": "learn", "m": "make", "c": "choose", "s": "score"}
COLUMNS = ("source", "target") * 3
FONT = "font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\""


@dataclass(frozen=True)
class Palette:
    """Colors of a page."""

    ink: str
    faint: str
    box: str
    line: str
    learned: str
    chosen: str
    scored: str


LIGHT = Palette("#1f2328", "#57606a", "#eef4fb", "#0b61a4", "#0b61a4", "#9a5b00", "#1a7f37")
DARK = Palette("#e6edf3", "#9da7b1", "#17273a", "#6cb6ff", "#6cb6ff", "#e3a03c", "#57d073")


def flow(colors: Palette) -> str:
    """Draw the stages from top to bottom, with what each does."""
    parts = []
    for row, (name, first, second) in enumerate(FLOW):
        top = 8 + 62 * row
        parts += [
            _box(8, top, 138, 42, colors),
            _text(77, top + 27, name, colors.ink, anchor="middle", weight=600),
            _text(164, top + 17, first, colors.faint, size=15),
            _text(164, top + 37, second, colors.faint, size=15),
        ]
        parts += [_arrow(77, top + 42, top + 60, colors)] if row + 1 < len(FLOW) else []
    return _svg(430, 62 * len(FLOW), parts, "From data to report: " + ", ".join(name for name, *_ in FLOW))


def held_out(colors: Palette) -> str:
    """Draw a table: what may see which patients' images, and for what."""
    places = [188 + 51 * column for column in range(6)]
    parts = [
        _text((places[2 * pair] + places[2 * pair + 1]) / 2 + 23, 18, split, colors.ink, anchor="middle", weight=600)
        for pair, split in enumerate(("train", "val", "test"))
    ]
    parts += [
        _text(x + 23, 38, name, colors.faint, anchor="middle", size=12) for x, name in zip(places, COLUMNS, strict=True)
    ]
    for row, (name, detail, uses) in enumerate(HELD_OUT):
        top = 48 + 46 * row
        parts += [
            _text(8, top + 16, name, colors.ink, size=15, weight=600),
            _text(8, top + 33, detail, colors.faint, size=13),
            *(_use(x, top, use, colors) for x, use in zip(places, uses.split(), strict=True)),
        ]
    below = 48 + 46 * len(HELD_OUT) + 16
    key = (("l", "learns from it"), ("m", "is made of it"), ("c", "is chosen by it"), ("s", "is scored on it"))
    for number, (use, meaning) in enumerate(key):
        x, y = 8 + 226 * (number % 2), below + 40 * (number // 2)
        parts += [_use(x, y - 4, use, colors), _text(x + 56, y + 17, meaning, colors.ink, size=15)]
    return _svg(494, below + 76, parts, "What may see which images: test patients are seen by scores alone")


def _use(x: float, top: float, use: str, colors: Palette) -> str:
    """Draw a cell; a word says the same as its color."""
    shape = f'<rect x="{x}" y="{top}" width="46" height="34" rx="6"'
    if use not in USES:
        return f'{shape} fill="none" stroke="{colors.faint}" opacity=".35"/>'
    fill = {"c": colors.chosen, "s": colors.scored}.get(use, colors.learned)
    filled = f'{shape} fill="{fill}" fill-opacity=".2" stroke="{fill}"/>'
    return filled + _text(x + 23, top + 22, USES[use], colors.ink, anchor="middle", size=12)


def bundle(colors: Palette) -> str:
    """Draw the two ways through a bundle and the files that they need."""
    ways = (
        ("translate", ("source image", "preprocessing", "generator", "synthetic image")),
        ("inference", ("target image", "preprocessing", "classifier", "probability, decision")),
    )
    parts = []
    for column, (name, steps) in enumerate(ways):
        left = 8 + 226 * column
        parts.append(_text(left + 98, 20, name, colors.ink, anchor="middle", weight=600))
        for row, step in enumerate(steps):
            top = 34 + 58 * row
            parts += [_box(left, top, 196, 38, colors), _text(left + 98, top + 24, step, colors.ink, anchor="middle")]
            parts += [_arrow(left + 98, top + 38, top + 56, colors)] if row + 1 < len(steps) else []
    files = (
        ("configs/", "what MONAI runs, preprocessing"),
        ("models/", "weights, numbers only (safetensors)"),
        ("medsynth_.../", "the networks' source code"),
        ("docs/README.md", "the card: use, figures, limits, license"),
        ("samples/", "images with what must come out"),
        ("medsynth.json", "sha256 of every file, versions, plugins"),
    )
    for row, (name, what) in enumerate(files):
        y = 300 + 27 * row
        parts += [
            _text(8, y, name, colors.ink, size=14, weight=600),
            _text(158, y, what, colors.faint, size=14),
        ]
    return _svg(452, 300 + 27 * len(files) - 10, parts, "A bundle: two ways through it, and its files")


DIAGRAMS: dict[str, Callable[[Palette], str]] = {"flow": flow, "held-out": held_out, "bundle": bundle}


def drawn() -> dict[str, str]:
    """Return every diagram by file name."""
    return {
        f"{name}-{shade}.svg": draw(colors)
        for name, draw in DIAGRAMS.items()
        for shade, colors in (("light", LIGHT), ("dark", DARK))
    }


def _svg(width: int, height: int, parts: Sequence[str], title: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    body = "\n".join(parts)
    return f'{head} role="img" {FONT}>\n<title>{escape(title)}</title>\n{body}\n</svg>\n'


def _box(x: float, y: float, width: float, height: float, colors: Palette) -> str:
    place = f'x="{x}" y="{y}" width="{width}" height="{height}" rx="8"'
    return f'<rect {place} fill="{colors.box}" stroke="{colors.line}" stroke-width="1.5"/>'


def _arrow(x: float, top: float, bottom: float, colors: Palette) -> str:
    head = f"M{x} {top}V{bottom - 3}M{x - 5} {bottom - 8}L{x} {bottom - 2}L{x + 5} {bottom - 8}"
    return f'<path d="{head}" fill="none" stroke="{colors.line}" stroke-width="1.5"/>'


def _text(
    x: float, y: float, words: str, color: str, *, size: int = 16, anchor: str = "start", weight: int = 400
) -> str:
    look = f'fill="{color}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:g}" y="{y:g}" {look}>{escape(words)}</text>'
