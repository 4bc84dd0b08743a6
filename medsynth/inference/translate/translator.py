"""A bundle's translator, rebuilt from the bundle alone: its network code, weights and preprocessing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from medsynth.base.errors import RunError
from medsynth.bundle.opening.opened import TRANSLATOR, Opened, open_bundle
from medsynth.data.config import DataConfig
from medsynth.data.formats.stacks import Stacks
from medsynth.data.formats.windows import Window


@dataclass(frozen=True, kw_only=True)
class Translator:
    """What a bundle translates with.

    Args:
        name, version: of the bundle, for provenance.
        digest: sha256 of its medsynth.json, which lists the hashes of all its files.
        generator: name of the plugin that was trained.
        config: size, channels, fit and intensity of its source images. ``auto`` means the 8-bit range for 8-bit
            files and percentiles for others.
        network: in evaluation mode on `device`.
        device: where it computes.
        window: values that -1 and 1 stand for in its translations; None where these are grey levels.
    """

    name: str
    version: str
    digest: str
    generator: str
    config: DataConfig
    network: nn.Module
    device: str
    window: Window | None = None

    @property
    def stacks(self) -> Stacks:
        """How slices become what the network takes."""
        return Stacks(self.config.neighbors, self.config.smooth)

    def translate(self, images: Tensor) -> Tensor:
        """Translate (B, C, H, W) float32 images or stacks in [-1, 1]; the result is on the CPU and has the same shape.

        Raises:
            RunError: the network returns another shape.
        """
        with torch.inference_mode():
            result: Tensor = self.network(images.to(self.device)).float().cpu()
        if result.shape != images.shape:
            raise RunError(f"the network turned shape {tuple(images.shape)} into {tuple(result.shape)}")
        return result.clamp(-1.0, 1.0)


def load_translator(path: Path | Opened, device: str) -> Translator:
    """Rebuild a bundle's translator. This executes the Python files of the bundle.

    Args:
        path: as in `open_bundle`.
        device: ``cpu``, ``cuda`` or ``mps``.

    Raises:
        InputError: no bundle made by medsynth, a damaged one, or one this version cannot read.
    """
    bundle = open_bundle(path, TRANSLATOR)
    config, network = bundle.data_config(), bundle.network()
    plugins = [plugin for plugin in bundle.origin.get("plugins", ()) if plugin.get("kind") == "generator"]
    return Translator(
        name=str(bundle.metadata["name"]),
        version=str(bundle.metadata["version"]),
        digest=bundle.digest,
        generator=plugins[0]["name"] if plugins else "",
        config=config,
        network=network.to(device),
        device=device,
        window=bundle.windows.get("target"),
    )
