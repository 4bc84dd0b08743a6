"""Matplotlib figures as inline SVG that follow the page's colors, light or dark."""

from __future__ import annotations

import io
import re
from html import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK = "#1b1c1d"
MUTED = "#6b6c6d"
GRID = "#d1d2d3"
SERIES = ("#0b5fb1", "#b85c01", "#00755d", "#8a3ea9", "#5c6671")
"""Stand for CSS variables in the page; distinguishable for color-blind readers, used with `DASHES`."""
DASHES = ("-", (0, (5, 2)), (0, (6, 2, 1.5, 2)), (0, (1.5, 1.5)), (0, (3, 1, 1, 1, 1, 1)))

_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--rule"} | {c: f"--series-{i}" for i, c in enumerate(SERIES, 1)}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches, drawn without any global state of pyplot."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def literal(text: str) -> str:
    """Return text as matplotlib shows it unchanged: a dollar sign would start a formula."""
    return text.replace("$", r"\$")


def plain(axes: Axes) -> None:
    """Give axes the quiet look of the page."""
    axes.set_facecolor("none")
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=9, length=0)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(GRID)
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(INK)
        label.set_fontsize(10)


def to_svg(figure: Figure, name: str, description: str) -> str:
    """Return inline SVG.

    Args:
        figure: drawn with the colors of this module.
        name: unique on the page; prefixes all ids.
        description: read by screen readers instead of the picture.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "medsynth", "svg.fonttype": "none"}):
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    width = f"--width: {figure.get_figwidth() * 6.4:.1f}rem"
    opening = f'<svg class="figure" style="{width}" role="img" aria-label="{escape(description, quote=True)}"'
    return text.replace("<svg", opening, 1).strip()


def standalone(inline: str) -> str:
    """Return what `to_svg` made as a file of its own, in the colors of a light page."""
    text = inline
    for color, variable in _VARIABLES.items():
        text = text.replace(f"var({variable})", color)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + text + "\n"
