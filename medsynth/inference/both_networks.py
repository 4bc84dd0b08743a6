"""A bundle's two networks, arrays in and arrays out: in this process, or in a confined one for a foreign bundle."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np

from medsynth.bundle.opening.opened import CLASSIFIER, TRANSLATOR, Opened, open_bundle
from medsynth.confinement.serving import Served, answer

if TYPE_CHECKING:
    from medsynth.inference.flags.measuring import Arrays
    from medsynth.inference.runtimes import Runtime
    from medsynth.inference.translate.translator import Translator

_ENTRY = (
    "from medsynth.confinement.serving import enter_serving; pipes = enter_serving();"
    " from medsynth.inference.both_networks import serve; serve(*pipes)"
)
"""What a confined process is started with: it confines itself before it imports anything else."""


class Networks(Protocol):
    """Computes with the networks of a bundle."""

    def translate(self, images: np.ndarray) -> np.ndarray:
        """Translate (B, C, H, W) float32 images in [-1, 1] into ones of the same shape."""

    def returned(self, images: np.ndarray) -> np.ndarray:
        """Translate such translations back into source images."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the (B, 2) logits of such images."""


class OwnNetworks:
    """In this process; each network is loaded when it is used first.

    Args:
        opened: the bundle.
        device: ``cpu``, ``cuda`` or ``mps``.
    """

    def __init__(self, opened: Opened, device: str) -> None:
        self._opened, self._device = opened, device

    def translate(self, images: np.ndarray) -> np.ndarray:
        """Translate images; see `Networks`."""
        import torch

        return self._translator.translate(torch.from_numpy(images)).numpy()

    def returned(self, images: np.ndarray) -> np.ndarray:
        """Translate back; see `Networks`."""
        return self._back(images)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Classify images; see `Networks`."""
        return self._runtime(images)

    def admitted(self, _: np.ndarray) -> np.ndarray:
        """Return nothing, if the bundle may be executed.

        Raises:
            InputError: it is not trusted, and the audit does not allow it without trust.
        """
        self._opened.snapshot.admit()
        return np.empty(0, np.float32)

    @cached_property
    def _translator(self) -> Translator:
        from medsynth.inference.translate.translator import load_translator

        return load_translator(self._opened.in_role(TRANSLATOR), self._device)

    @cached_property
    def _back(self) -> Arrays:
        from medsynth.inference.flags.judges import way_back

        return way_back(self._opened, self._device)

    @cached_property
    def _runtime(self) -> Runtime:
        from medsynth.inference.bundle_classifier import load_classifier
        from medsynth.inference.runtimes import choose_runtime, load_runtime

        classifier = load_classifier(self._opened.in_role(CLASSIFIER))
        name = choose_runtime(classifier.bundle, "auto", self._device)
        return load_runtime(classifier, name, threads=1, device=self._device)


class ConfinedNetworks:
    """In a confined process, which judges the bundle itself; arguments as in `Served`.

    Args:
        opened: the bundle, of whose copy the process makes its own.
        device: ``cpu``, ``cuda`` or ``mps``.
    """

    def __init__(self, opened: Opened, device: str, *, seconds: float, memory: int) -> None:
        self._opened = opened
        self._served = Served(_ENTRY, [str(opened.copy), device], seconds=seconds, memory=memory)
        self._ask("admitted", np.empty(0, np.float32), (0,))

    def translate(self, images: np.ndarray) -> np.ndarray:
        """Translate images; see `Networks`."""
        return self._ask("translate", images, images.shape)

    def returned(self, images: np.ndarray) -> np.ndarray:
        """Translate back; see `Networks`."""
        return self._ask("returned", images, images.shape)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Classify images; see `Networks`."""
        return self._ask("logits", images, (len(images), 2))

    def _ask(self, what: str, images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        with self._opened.snapshot.errors():
            return self._served.ask(what, images, shape)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer what `ConfinedNetworks` asks, with the bundle and the device that ``sys.argv`` names."""
    networks = OwnNetworks(open_bundle(Path(sys.argv[1]), CLASSIFIER), sys.argv[2])
    known = {name: getattr(networks, name) for name in ("admitted", "translate", "returned", "logits")}
    answer(requests, answers, known)
