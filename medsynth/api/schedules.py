"""Learning rates over a phase, and how much of it lies behind."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from medsynth.api.configs import ClassifierConfig, GeneratorConfig

if TYPE_CHECKING:
    from ignite.engine import Engine


def constant_then_linear(constant_share: float) -> Callable[[float], float]:
    """Learning-rate factor 1 for `constant_share` of training, then falling linearly towards zero.

    Examples:
        >>> [round(constant_then_linear(0.5)(p), 2) for p in (0.0, 0.5, 0.75)]
        [1.0, 1.0, 0.5]
    """

    def factor(progress: float) -> float:
        if progress <= constant_share or constant_share >= 1.0:
            return 1.0
        return max(0.0, (1.0 - progress) / (1.0 - constant_share))

    return factor


def constant_then_cosine(constant_share: float) -> Callable[[float], float]:
    """Learning-rate factor 1 for `constant_share` of training, then falling as half a cosine towards zero.

    Examples:
        >>> [round(constant_then_cosine(0.5)(p), 2) for p in (0.0, 0.5, 0.75)]
        [1.0, 1.0, 0.5]
    """
    falling = constant_then_linear(constant_share)
    return lambda progress: 0.5 * (1.0 - math.cos(math.pi * falling(progress)))


def halving(steps: int) -> Callable[[float], float]:
    """Learning-rate factor that halves at the end of each of `steps` equal parts of training.

    Examples:
        >>> [halving(10)(p) for p in (0.0, 0.1, 0.55)]
        [1.0, 0.5, 0.03125]
    """
    return lambda progress: float(0.5 ** math.floor(progress * steps + 1e-9))


def learning_rate_schedule(config: GeneratorConfig | ClassifierConfig) -> Callable[[float], float]:
    """Return the learning-rate factor that the options ask for, as the core applies it to a phase without its own."""
    if isinstance(config, ClassifierConfig):
        return warmup_then_cosine(config.warmup_share)
    schedules = {
        "linear": constant_then_linear(config.constant_share),
        "cosine": constant_then_cosine(config.constant_share),
        "step": halving(10),
        "constant": constant,
    }
    return schedules[config.schedule]


def constant(_: float) -> float:
    """Learning-rate factor 1 throughout."""
    return 1.0


def warmup_then_cosine(warmup_share: float) -> Callable[[float], float]:
    """Learning-rate factor rising linearly to 1 during `warmup_share`, then falling as a cosine to zero.

    Examples:
        >>> [round(warmup_then_cosine(0.5)(p), 2) for p in (0.25, 0.5, 0.75)]
        [0.5, 1.0, 0.5]
    """

    def factor(progress: float) -> float:
        if progress < warmup_share:
            return max(progress / warmup_share, 1e-3)
        done = (progress - warmup_share) / max(1.0 - warmup_share, 1e-9)
        return 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))

    return factor


def progress(engine: Engine) -> float:
    """Share of the current phase that lies behind, in [0, 1): finished steps / all steps.

    It depends on the engine's counters only, so a resumed phase sees the same values.
    """
    state = engine.state
    total = (state.max_epochs or 1) * (state.epoch_length or 1)
    return float(min(max(state.iteration - 1, 0) / total, 1.0))
