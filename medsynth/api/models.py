"""What generators and classifiers are to the core."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from medsynth.api.phases import Phase

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setup:
    """What the core tells a generator or classifier before it is built.

    Torch's generators are seeded by the core before the factory is called; the networks must be created
    on the CPU and moved to `device` with ``.to(device)``.
    """

    channels: int
    size: tuple[int, int]
    """(H, W) in pixels."""
    classes: int = 2
    device: str = "cpu"


class Generator(Protocol):
    """Learns to translate source images into target images."""

    def phases(self) -> Sequence[Phase]:
        """Return the training loops in order."""

    def translate(self, images: Tensor) -> Tensor:
        """Translate (B, C, H, W) source images in [-1, 1]; same shape, dtype, range; independent of B."""

    def networks(self) -> Mapping[str, nn.Module]:
        """Return all networks by name. The first maps source images to target images and is exported.

        The exported network's class lives in the plugin's ``network`` module and carries ``arguments``,
        the JSON-able keyword arguments that rebuild it.
        """


def exported(model: Generator | Classifier) -> nn.Module:
    """Return the network of a model that translates or classifies, and that bundles carry: the first of its networks.

    Examples:
        >>> class Model:
        ...     def networks(self):
        ...         return {"student": 1, "teacher": 2}
        >>> exported(Model())
        1
    """
    return next(iter(model.networks().values()))


@runtime_checkable
class TwoWay(Protocol):
    """A generator that also learns the way back."""

    def returning(self) -> nn.Module | None:
        """Return the network that maps target images to source images, with ``arguments`` as the exported one."""


def returning(model: Generator) -> nn.Module | None:
    """Return a generator's network from target images to source images, which tells how much translations lose.

    Examples:
        >>> class OneWay:
        ...     def networks(self):
        ...         return {"generator": 1}
        >>> returning(OneWay())
    """
    return model.returning() if isinstance(model, TwoWay) else None


class Classifier(Protocol):
    """Learns to tell the classes of target images apart. One that can judge itself may be `Inspectable`, too."""

    def phases(self) -> Sequence[Phase]:
        """Return the training loops in order: pre-training (``mixed``), then fine-tuning (``real``)."""

    def networks(self) -> Mapping[str, nn.Module]:
        """Return all networks by name. The first maps (B, C, H, W) to (B, classes) logits and is exported.

        It carries ``arguments`` as a generator's does. Class 1 is the positive class.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a classifier finds out about its own working on held-out images: a table of the report.

    Args:
        title: of the table.
        note: what the columns mean, in plain text.
        rows: by row the value of each column; all rows have the same columns. Without rows nothing is shown.
        logged: columns that are also drawn over the epochs.
    """

    title: str
    note: str
    rows: Mapping[str, Mapping[str, float]]
    logged: Sequence[str] = ()


@runtime_checkable
class Inspectable(Protocol):
    """A classifier that can say on held-out images whether it works as its method promises."""

    def inspect(self, images: Tensor, labels: Tensor) -> Inspection:
        """Look at the networks as they are, without changing a weight; may put them into evaluation mode.

        Called after epochs with some validation images, and for the report with some test images.

        Args:
            images: (N, C, H, W) in [-1, 1], N up to 64, on the networks' device.
            labels: (N,) int64.
        """
