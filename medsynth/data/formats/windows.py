"""Fixed intensity windows: which physical values become -1 and 1, and back. Imports nothing heavy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medsynth.base.errors import InputError

if TYPE_CHECKING:
    import numpy as np

DOMAINS = ("source", "target")
_HINT = "Write LOW:HIGH, or source=LOW:HIGH,target=LOW:HIGH, for example --set data.window=source=-160:240."
_PART = re.compile(r"(?:(\w+)=)?([^:=]+):([^:=]+)")


@dataclass(frozen=True)
class Window:
    """The values of a domain that its images show.

    Args:
        low: becomes -1, as do values below it.
        high: becomes 1, as do values above it.
        unit: of both, e.g. ``HU``; empty where there is none or files differ.
    """

    low: float
    high: float
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} {self.unit}".rstrip()

    @property
    def text(self) -> str:
        """As `parse_windows` takes it, with all digits."""
        return f"{self.low!r}:{self.high!r}"

    def values(self, image: np.ndarray) -> np.ndarray:
        """Return float32 values in `unit` of an image in [-1, 1]."""
        import numpy as np

        share = (np.clip(image, -1.0, 1.0).astype(np.float64) + 1.0) / 2.0
        found: np.ndarray = (self.low + share * (self.high - self.low)).astype(np.float32)
        return found


def parse_windows(text: str) -> dict[str, Window]:
    """Return the windows by domain that ``data.window`` asks for; none where it is empty.

    Raises:
        InputError: it cannot be read, names another domain or one twice, or a window has no extent.

    Examples:
        >>> parse_windows("source=-160:240")
        {'source': Window(low=-160.0, high=240.0, unit='')}
    """
    found: dict[str, Window] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _PART.fullmatch(part)
        if match is None:
            raise InputError(f"data.window = {text!r} cannot be read", hint=_HINT)
        name, low, high = match.groups()
        domains = DOMAINS if name is None else (name,)
        window = Window(_number(low, text), _number(high, text))
        if not window.high > window.low:
            raise InputError(f"data.window = {text!r}: {high} is not above {low}", hint=_HINT)
        if name not in (None, *DOMAINS) or found.keys() & set(domains):
            raise InputError(f"data.window = {text!r} names each of source and target once", hint=_HINT)
        found |= dict.fromkeys(domains, window)
    return found


def window_text(windows: Mapping[str, Window]) -> str:
    """Return windows as `parse_windows` reads them; units are not part of it."""
    return ",".join(f"{domain}={windows[domain].text}" for domain in DOMAINS if domain in windows)


def as_facts(windows: Mapping[str, Window]) -> dict[str, dict[str, Any]]:
    """Return windows as a bundle's metadata hold them."""
    return {name: {"low": one.low, "high": one.high, "unit": one.unit} for name, one in sorted(windows.items())}


def from_facts(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Window]:
    """Return the windows of a bundle's metadata.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: they are not as `as_facts` writes them.
    """
    found = {}
    for name, one in facts.items():
        window = Window(float(one["low"]), float(one["high"]), str(one["unit"]))
        if name not in DOMAINS or not -math.inf < window.low < window.high < math.inf:
            raise ValueError(f"{name!r} has no window from {window.low} to {window.high}")
        found[name] = window
    return found


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"data.window = {whole!r}: {text.strip()!r} is no number", hint=_HINT)
    return value
