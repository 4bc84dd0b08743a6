"""When the teacher counts how much: all weights by the share of pre-training that lies behind."""

from __future__ import annotations

import math

FLOOR = 0.1
"""Smallest weight of the simulation and distillation losses."""


def guidance(progress: float, start: float, end: float) -> float:
    """Weight of the teacher's map in key selection: 1 before `start`, then a cosine to 0 at `end`.

    Examples:
        >>> [round(guidance(p, 0.3, 0.7), 3) for p in (0.0, 0.3, 0.5, 0.7, 1.0)]
        [1.0, 1.0, 0.5, 0.0, 0.0]
    """
    if progress < start:
        return 1.0
    if progress >= end:
        return 0.0
    return 0.5 * (1.0 + math.cos(math.pi * (progress - start) / (end - start)))


def simulation_weight(progress: float, end: float) -> float:
    """Weight of the simulation loss: 1 until the hand-over's `end`, then linear to 0.1 at progress 1.

    Examples:
        >>> [round(simulation_weight(p, 0.7), 3) for p in (0.0, 0.7, 0.85, 1.0)]
        [1.0, 1.0, 0.55, 0.1]
    """
    if progress <= end or end >= 1.0:
        return 1.0
    return 1.0 - (1.0 - FLOOR) * (progress - end) / (1.0 - end)


def distillation_weight(guidance: float) -> float:
    """Weight of the distillation loss: that of the guidance, at least 0.1."""
    return max(guidance, FLOOR)


def recency(progress: float) -> float:
    """Share of the current gradient in the smoothed target, from 0.5 at the start to 0.9 at the end."""
    return 0.5 + 0.4 * progress
