"""Costs that a network is wished to have, as users write them. Importing this module does not import torch."""

from __future__ import annotations

import math

from medsynth.base.configuration import nearest
from medsynth.base.errors import InputError

COSTS = ("params", "macs", "thop")
UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9}


def parse_wish(text: str) -> dict[str, float]:
    """Read a wish; K, M and G are 10^3, 10^6 and 10^9.

    Raises:
        InputError: for an unknown cost, or a value that is no positive number with one of these units.

    Examples:
        >>> parse_wish("macs=0.29G,params=400K")
        {'macs': 290000000.0, 'params': 400000.0}
    """
    wish: dict[str, float] = {}
    for item in text.split(","):
        name, _, value = (part.strip() for part in item.partition("="))
        if name not in COSTS:
            raise InputError(f"--match {item!r} names the unknown cost '{name}'", hint=nearest(name, COSTS))
        if name in wish:
            raise InputError(f"--match {text!r} names '{name}' twice")
        wish[name] = _number(value, item)
    return wish


def _number(text: str, item: str) -> float:
    unit = text[-1:].upper() if text[-1:].isalpha() else ""
    try:
        value = float(text.removesuffix(text[-1:]) if unit else text) * UNITS[unit]
    except (ValueError, KeyError):
        value = math.nan
    if not (math.isfinite(value) and value > 0.0):
        raise InputError(
            f"--match {item!r} has no positive number with unit K, M or G",
            hint="Write --match macs=0.29G,params=400K.",
        )
    return value
