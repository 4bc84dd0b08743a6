"""Look at a generator while it trains: which epoch is best, and does anything go wrong that losses do not show?

Letters in shapes: N number of images, C channels, H height, W width. Images are in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import wasserstein_distance

from medsynth.api import Extractor, Generator
from medsynth.base.files import write_bytes
from medsynth.data.formats.stacks import Stacks
from medsynth.data.images import Images
from medsynth.data.png import png
from medsynth.statistics import edge_agreement, intensity_correlation, kernel_distance, recognized
from medsynth.training.devices import Policy

IMAGES = 48
"""Images per domain that are looked at; always the same ones."""
SHOWN = 6
BATCH = 16
INVERTED, COLLAPSED, CHECKERED, EXPLODED, FLAT, DETACHED, WON = -0.3, 0.2, 3.0, 20.0, 0.01, 0.7, 0.02
HALVES = 50
"""Random halves of the patients from which the error of a distance is estimated."""

EARLY = ("checkerboard", "farther")
"""Problems that every generator has at first: they are named from half of the epochs on."""

Key = tuple[float, ...]


@dataclass(frozen=True)
class Look:
    """What one look at the translations found.

    Args:
        kid: kernel distance of the translations to real target images; see `kernel_distance`.
        kid_source: the same of the images before translation.
        tolerance: standard error of `kid_source`; distances that differ by less are not told apart.
        structure: mean of `edge_agreement` with the sources.
        recognized: see `medsynth.statistics.recognized`.
        intensity_correlation: mean of `intensity_correlation` with the sources.
        inverted: 1 if the target's negative fits the translations better than the target; see `fits_negative`.
        variety: see `variety`.
        checkerboard: see `checkerboard_energy`, divided by that of real target images.
    """

    kid: float
    kid_source: float
    tolerance: float
    structure: float
    recognized: float
    intensity_correlation: float
    inverted: float
    variety: float
    checkerboard: float

    @property
    def key(self) -> Key:
        """What is larger for a better generator: unbroken before broken, then nearer to the target.

        Likeness to the source is never rewarded; it only has to be seen which translation belongs to which source.
        Distances count in steps of `tolerance`, so that chance does not decide between epochs.
        """
        return (float(not self.broken), -round(self.kid / max(self.tolerance, 1e-6)))

    @property
    def broken(self) -> bool:
        """Whether translations no longer depend on their sources as they should."""
        negative = bool(self.inverted) and self.intensity_correlation < INVERTED
        return negative or self.variety < COLLAPSED or self.recognized < DETACHED

    def problems(self, offered: Collection[str]) -> list[str]:
        """Return a sentence for each known failure that the figures show, with what to try of what is offered."""
        found = []
        if self.inverted and self.intensity_correlation < INVERTED:
            found.append(
                f"contrast inversion: translations look like negatives (correlation with the source "
                f"{self.intensity_correlation:.2f}, and the target's negative fits them better). "
                + _try(offered, "a larger identity weight", "a smaller learning rate", "another seed")
            )
        if self.variety < COLLAPSED:
            found.append(
                f"collapse: translations vary only {self.variety:.2f} times as much among themselves as real images "
                "do. "
                + _try(offered, "a larger cycle weight", "a smaller learning rate", "differentiable_augment=true")
            )
        if self.recognized < DETACHED and self.variety >= COLLAPSED:
            found.append(
                f"detached: only {self.recognized:.0%} of the comparisons recognize a translation as that of its own "
                "source. " + _try(offered, "a larger cycle weight", "information_weight=1", "a smaller learning rate")
            )
        if self.checkerboard > CHECKERED:
            found.append(
                f"checkerboard: {self.checkerboard:.1f} times as much energy in two-pixel patterns as real images "
                "have. " + _try(offered, "upsampling=nearest", "more epochs")
            )
        if not found and self.kid > self.kid_source + 2 * self.tolerance:
            found.append(
                f"farther: translations are farther from real target images (KID {self.kid:.3f}) than the sources are "
                f"({self.kid_source:.3f}). "
                + _try(offered, "more epochs", "a smaller learning rate", "a larger identity weight")
            )
        return found


class Monitor:
    """Translates a fixed set of validation images at intervals, measures, warns, and keeps a gallery.

    Args:
        generator: in training; translates with its present weights.
        source: validation images of the source.
        target: real validation images of the target.
        extractor: of features for KID.
        folder: receives ``gallery/epoch-N.png``: sources above their translations.
        policy: device to compute on.
        say: receives each kind of problem once, when it is first seen; those of `EARLY` not before half of the epochs.
        offered: names of the generator's options: no other is advised.
        epochs: how many there will be.
    """

    def __init__(
        self,
        generator: Generator,
        source: Images,
        target: Images,
        *,
        extractor: Extractor,
        folder: Path,
        policy: Policy,
        say: Callable[[str], None],
        offered: Collection[str] = (),
        epochs: int = 0,
    ) -> None:
        self.generator, self.extractor, self.folder = generator, extractor, folder
        self.policy, self.say, self.offered = policy, say, offered
        self.epochs = epochs
        self.stacks = Stacks(source.neighbors)
        self.stacked = _some(source)
        self.source = self.stacks.middle(self.stacked)
        self.target = Stacks(target.neighbors).middle(_some(target))
        self.real_features = self._features(self.target)
        before = kernel_distance(self._features(self.source), self.real_features, subsets=HALVES)
        self.kid_source = before.value
        # of two or three images no error can be estimated: then nothing smaller than the distance itself is told apart
        self.tolerance = before.error if math.isfinite(before.error) else abs(before.value)
        self.real_checkerboard = checkerboard_energy(self.target)
        self.seen: set[str] = set()

    def __call__(self, epoch: int) -> tuple[Key, dict[str, float]]:
        """Look after an epoch; return a key that is larger for better weights, and the figures."""
        networks = self.generator.networks().values()
        for network in networks:
            network.eval()
        translated = self._translate()
        for network in networks:
            network.train()
        found = self.look(translated)
        self._show(epoch, translated)
        for problem in found.problems(self.offered):
            kind = problem.partition(":")[0]
            if kind not in self.seen and (kind not in EARLY or epoch >= self.epochs / 2):
                self.seen.add(kind)
                self.say(f"generator, epoch {epoch}: {problem}")
        # Of epochs that cannot be told apart the later one has learned more.
        return (*found.key, float(epoch)), asdict(found)

    def look(self, translated: np.ndarray) -> Look:
        """Measure the translations (N, C, H, W) of `source`."""
        correlation = float(intensity_correlation(self.source, translated).mean())
        return Look(
            kid=self._distance(self._features(translated)),
            kid_source=self.kid_source,
            tolerance=self.tolerance,
            structure=float(edge_agreement(self.source, translated).mean()),
            recognized=recognized(self.source, translated),
            intensity_correlation=correlation,
            inverted=float(fits_negative(translated, self.target)),
            variety=variety(translated) / max(variety(self.target), 1e-6),
            checkerboard=checkerboard_energy(translated) / max(self.real_checkerboard, 1e-9),
        )

    def _translate(self) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(self.source), BATCH):
                batch = torch.from_numpy(self.stacked[start : start + BATCH]).to(self.policy.device)
                parts.append(self.stacks.middle(self.generator.translate(batch)).float().cpu().numpy())
        return np.concatenate(parts)

    def _features(self, images: np.ndarray) -> np.ndarray:
        parts = [
            self.extractor.features(torch.from_numpy(images[start : start + BATCH]).to(self.policy.device))
            for start in range(0, len(images), BATCH)
        ]
        return torch.cat(parts).cpu().numpy()

    def _distance(self, features: np.ndarray) -> float:
        return kernel_distance(features, self.real_features, subsets=0).value

    def _show(self, epoch: int, translated: np.ndarray) -> None:
        rows = [np.concatenate(list(images[:SHOWN]), axis=2) for images in (self.source, translated)]
        folder = self.folder / "gallery"
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / f"epoch-{epoch:04}.png", png(np.concatenate(rows, axis=1)))


def kind_of(problem: str) -> str:
    """Return what scripts know a problem by: its name, which stands before the first colon, with hyphens."""
    return problem.partition(":")[0].replace(" ", "-")


def problems_of(history: Mapping[str, Any], offered: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return kind and text of each failure that a finished training shows in the epoch it kept, or in its losses.

    Args:
        history: of a generator, as `medsynth.training.loop.train` returns it.
        offered: names of the generator's options: no other is advised.
    """
    last = history["phases"][-1]
    found: list[tuple[str, str]] = []
    if last["validation"]:
        row = last["validated"].index(history["best"]["epoch"])
        look = Look(**{name: values[row] for name, values in last["validation"].items()})
        epoch = history["best"]["epoch"]
        found += [(kind_of(problem), f"generator, epoch {epoch}: {problem}") for problem in look.problems(offered)]
    for phase in history["phases"]:
        texts = [text for name, values in phase["losses"].items() for text in _loss_problems(name, values, offered)]
        found += [(kind_of(text), text) for text in texts]
    return found


def _loss_problems(name: str, values: Sequence[float], offered: Collection[str]) -> list[str]:
    """Judge one value's means by epoch: a loss that grew out of all proportion, a variance that vanished."""
    if len(values) < 2:
        return []
    before, now = float(np.median(values[:-1])), values[-1]
    if name.endswith("variance"):
        flat = now < FLAT * values[0]
        return [
            f"collapse: generator: {name} fell from {values[0]:.2g} to {now:.2g}; features no longer depend on the "
            "image. " + _try(offered, "normalized=true", "a smaller learning rate", "a smaller feature weight")
        ] if flat else []  # fmt: skip
    if name.startswith("discriminator") and now < WON * max(values):
        return [
            f"one-sided: generator: {name} fell to {now:.2g}; the discriminator tells all translations from real "
            "images, so that generators learn nothing from it. "
            + _try(offered, "discriminator_flood=0.1", "discriminator_noise=0.1", "r1_weight=1", "coordinates=true")
        ]
    if now > EXPLODED * max(before, 0.05):
        return [
            f"exploding loss: generator: {name} ended at {now:.3g}, {now / max(before, 0.05):.0f} times its median. "
            + _try(offered, "a smaller learning rate", "r1_weight=1", "spectral_norm=true")
        ]
    return []


def _try(offered: Collection[str], *advice: str) -> str:
    """Return a sentence of what to try: plain words, and ``option=value`` where the generator has that option."""
    options = {text: f"generator.{text}" for text in advice if text.partition("=")[0] in offered}
    known = [options.get(text, text) for text in advice if "=" not in text or text in options]
    *others, last = known or ["a smaller learning rate"]
    return f"Try {', '.join(others)} or {last}." if others else f"Try {last}."


def fits_negative(translations: np.ndarray, real: np.ndarray) -> bool:
    """Say whether the values of `translations` are distributed more like those of -`real` than like those of `real`."""
    found, wanted = (values.ravel()[:: max(1, values.size // 20_000)] for values in (translations, real))
    return bool(wasserstein_distance(found, -wanted) < wasserstein_distance(found, wanted))


def variety(images: np.ndarray) -> float:
    """Return how much images differ from each other: the deviation of a pixel's value, mean of the pixels."""
    return float(images.std(0).mean())


def checkerboard_energy(images: np.ndarray) -> float:
    """Return the share of the images' energy in patterns that repeat after two pixels in either direction.

    Alternating up-sampling artifacts put a line on the border of the spectrum, at frequency 1/2. The share is taken of
    the energy without the mean.
    """
    spectrum = np.abs(np.fft.rfft2(images - images.mean((-2, -1), keepdims=True))) ** 2
    power = spectrum.mean((0, 1))
    border = power[len(power) // 2].sum() + (power[:, -1].sum() if images.shape[-1] % 2 == 0 else 0.0)
    return float(border / max(power.sum(), 1e-12))


def _some(images: Images) -> np.ndarray:
    """Return up to `IMAGES` images with their neighbors, evenly spread over the table, (N, C, H, W) float32."""
    some = images.spread(IMAGES)
    return np.stack([some.stack(index) for index in range(len(some))])
