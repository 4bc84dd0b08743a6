"""The exported network of CycleGAN."""

from __future__ import annotations

from medsynth.networks.resnet import ResnetGenerator


class CycleGanGenerator(ResnetGenerator):
    """Translate (B, inputs, H, W) images in [-1, 1] to (B, outputs, H, W) in [-1, 1]; see `ResnetGenerator`."""
