"""How far results may lie apart that exact arithmetic would make equal."""

from __future__ import annotations

from typing import Any

import pytest

RELATIVE, ABSOLUTE = 5e-5, 1e-6


def equal_but_for_rounding(expected: Any) -> Any:
    """Return what equals `expected`, a number or numbers, computed from the same values in another order of sums.

    Libraries choose that order by the processor's instructions, the number of threads, the size of a batch and an
    image's place in it. A float32 sum may be off by some 1e-7 of its largest term; through the layers of a network
    1e-6 was seen. Where the same command is promised to give the same bytes, tests compare bytes instead.
    """
    return pytest.approx(expected, rel=RELATIVE, abs=ABSOLUTE)
