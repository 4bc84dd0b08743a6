"""`medsynth.load`: a bundle for one's own images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.door.finished import sample_pictures
from medsynth.door.frame import Flagged as Flagged
from medsynth.door.frame import Predicted as Predicted
from medsynth.door.frame import html_pictures

if TYPE_CHECKING:
    from medsynth.bundle.opening.opened import Opened
    from medsynth.door.monai_transform import RandSynthesizeD
    from medsynth.inference.both_networks import Networks
    from medsynth.inference.bundle_classifier import BundleClassifier
    from medsynth.inference.flags.measuring import Flags
    from medsynth.statistics.flags.reference import Judgment

BATCH = 16
_GIBIBYTE = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How a bundle is loaded, see `load`; enough to load it again in another process."""

    path: Path
    trust: bool
    device: str
    time_limit: float
    memory_limit: float


class LoadedBundle:
    """A bundle whose networks may be used; in a notebook its card and a few images. See `load`.

    It can be pickled: where it is unpickled, the bundle is loaded and judged again, and must be the same.
    """

    def __init__(self, loading: Loading, opened: Opened, networks: Networks) -> None:
        self._loading, self._opened, self._networks = loading, opened, networks

    @property
    def path(self) -> Path:
        """Folder or zip file of the bundle."""
        return self._opened.root

    @property
    def digest(self) -> str:
        """sha256 of its medsynth.json, which stands for the whole bundle."""
        return self._opened.digest

    @cached_property
    def classifier(self) -> BundleClassifier:
        """What it says about its classifier: size and channels of images, threshold, temperature."""
        from medsynth.bundle.opening.opened import CLASSIFIER
        from medsynth.inference.bundle_classifier import load_classifier

        return load_classifier(self._opened.in_role(CLASSIFIER))

    def translate(
        self, image: Any, *, value_range: tuple[float, float] = (-1.0, 1.0), size: str = "network", batch: int = BATCH
    ) -> Any:
        """Translate an image of the source modality; the result has the kind, shape and range of what was given.

        Args:
            image: path of a file, Pillow image, array or tensor (H, W), (C, H, W) or (B, C, H, W), or MetaTensor as
                MONAI's readers make it: (C, columns, rows) or (C, columns, rows, slices). A list of these gives a list.
            value_range: darkest and brightest value of arrays; those of 8 bits run from 0 to 255.
            size: ``network``: resized for the network and back; ``native``: at each image's own size.
            batch: slices in one step.

        Returns:
            The translation; of a path a MetaTensor in [-1, 1] as MONAI's readers would make it. Affines are kept.

        Raises:
            InputError: an image that cannot be used. RunError: the network failed.
        """
        several = isinstance(image, list | tuple)
        results, _, _ = self._translated(list(image) if several else [image], value_range, size, batch, None)
        return results if several else results[0]

    def flagged(
        self, images: Any, *, value_range: tuple[float, float] = (-1.0, 1.0), size: str = "network", batch: int = BATCH
    ) -> Flagged:
        """Translate images and say which translations to distrust, as ``medsynth synthesize`` does for files.

        Args:
            images: one image or a list of them; this and the other arguments are those of `translate`.

        Raises:
            InputError: an image that cannot be used, or a bundle that holds nothing to judge by.
            RunError: the network failed.
        """
        from medsynth.base.errors import InputError
        from medsynth.inference.flags.judges import NONE, load_flags
        from medsynth.training.devices import resolve_device

        flags = load_flags(self._opened, resolve_device(self._loading.device), back=self._networks.returned)
        if flags is None:
            raise InputError(f"bundle {self.path}: {NONE}", hint="Use translate.")
        several = images if isinstance(images, list | tuple) else [images]
        return Flagged(*self._translated(several, value_range, size, batch, flags))

    def _translated(
        self, images: Sequence[Any], value_range: tuple[float, float], size: str, batch: int, flags: Flags | None
    ) -> tuple[list[Any], tuple[str, ...], tuple[Judgment, ...]]:
        from medsynth.bundle.opening.opened import TRANSLATOR
        from medsynth.door.given import take, translate_given
        from medsynth.inference.inputs.fitting import make_fitting

        config = self._opened.in_role(TRANSLATOR).data_config()
        given = [take(one, config, value_range, f"image {number}") for number, one in enumerate(images)]
        fitting = make_fitting(_checked_size(size), config)
        results, judged = translate_given(given, fitting, self._networks.translate, config, batch, flags=flags)
        names = [
            f"{one.name}#{k}" if len(found) > 1 else one.name
            for one, found in zip(given, judged, strict=True)
            for k in range(len(found))
        ]
        return results, tuple(names), tuple(judgment for found in judged for judgment in found)

    def predict(self, images: Any, *, value_range: tuple[float, float] = (-1.0, 1.0), batch: int = BATCH) -> Predicted:
        """Predict the probability of the positive class, as ``medsynth predict`` does for files.

        Args:
            images: one image or a list of them, as in `translate`; of several slices each is judged, of a file's only
                the central share that training used.
            value_range: darkest and brightest value of arrays; those of 8 bits run from 0 to 255.
            batch: slices in one step.

        Raises:
            InputError: an image that cannot be used, or is constant. RunError: the network failed.
        """
        import numpy as np

        from medsynth.door.slices import in_batches

        several = images if isinstance(images, list | tuple) else [images]
        names: list[str] = []
        found: list[np.ndarray] = []
        for part in in_batches(self._judged_slices(several, value_range), batch):
            names += [name for name, _ in part]
            logits = self._networks.logits(np.stack([image for _, image in part]))
            found.append(self.classifier.probabilities(logits))
        probabilities = np.concatenate(found) if found else np.empty(0)
        return Predicted(tuple(names), probabilities, probabilities >= self.classifier.threshold)

    def as_transform(
        self, prob: float = 0.5, *, keys: str | Sequence[str] = "image", value_range: tuple[float, float] = (-1.0, 1.0)
    ) -> RandSynthesizeD:
        """Return a MONAI dictionary transform that translates images with probability `prob`.

        Its draws are those of MONAI's Randomizable: ``set_random_state``, ``set_determinism`` and Compose seed it.

        Args:
            prob: of a translation.
            keys: of the images in the dictionary: arrays, tensors or MetaTensors as in `translate`.
            value_range: of these images.
        """
        from medsynth.door.monai_transform import RandSynthesizeD

        return RandSynthesizeD(keys, self, prob=prob, value_range=value_range)

    def _judged_slices(self, images: Sequence[Any], value_range: tuple[float, float]) -> Iterator[tuple[str, Any]]:
        from medsynth.door.slices import array_slices, file_slices

        for number, image in enumerate(images):
            if isinstance(image, str | Path):
                yield from file_slices(Path(image), self.classifier)
            else:
                yield from array_slices(image, self.classifier, value_range, number)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._loading, self.digest)

    def __repr__(self) -> str:
        return f"<medsynth bundle {self.path}, sha256 {self.digest[:12]}>"

    def _repr_html_(self) -> str:
        from medsynth.bundle.checking.description import describe_bundle

        found = describe_bundle(self._opened.copy)
        plugins = ", ".join(found.plugins)
        words = (found.description, f"{plugins}; sha256 {found.sha256[:12]}", found.intended_use)
        text = "".join(f"<p>{escape(word)}</p>" for word in words if word)
        return f"<h3>{escape(found.name)}</h3>{text}{html_pictures(sample_pictures(self._opened.copy))}"


def load(
    path: str | Path,
    *,
    trust: bool = False,
    device: str = "cpu",
    time_limit: float = 60.0,
    memory_limit: float = 8.0,
) -> LoadedBundle:
    """Open a bundle for one's own images.

    As on the command line, networks run in this process only if a run of this user wrote the bundle; those of any other
    bundle run in a confined process, if the bundle is trusted here or the audit finds all of it harmless.

    Args:
        path: folder or zip file of a bundle, or folder of a run.
        trust: trust it from now on, in exactly this state; see ``medsynth bundle trust``.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        time_limit: minutes that a confined process may take for one step.
        memory_limit: GiB of memory that a confined process gets.

    Raises:
        InputError: no bundle made by medsynth, a damaged one, or one that is not trusted and not harmless.
    """
    loading = Loading(path=Path(path), trust=trust, device=device, time_limit=time_limit, memory_limit=memory_limit)
    return _loaded(loading)


def _loaded(loading: Loading) -> LoadedBundle:
    from medsynth.bundle.opening.opened import CLASSIFIER
    from medsynth.bundle.opening.trusted import open_trusted
    from medsynth.inference.both_networks import ConfinedNetworks, OwnNetworks
    from medsynth.training.devices import resolve_device

    device = resolve_device(loading.device)
    opened = open_trusted(loading.path, CLASSIFIER, trust=loading.trust)
    if not opened.snapshot.is_foreign:
        return LoadedBundle(loading, opened, OwnNetworks(opened, device))
    seconds, memory = loading.time_limit * 60, round(loading.memory_limit * _GIBIBYTE)
    return LoadedBundle(loading, opened, ConfinedNetworks(opened, device, seconds=seconds, memory=memory))


def _again(loading: Loading, digest: str) -> LoadedBundle:
    """Load a bundle in another process."""
    from medsynth.base.errors import RunError

    bundle = _loaded(loading)
    if bundle.digest != digest:
        raise RunError(f"bundle {loading.path} was changed since it was loaded", hint="Load it again.")
    return bundle


def _checked_size(size: str) -> str:
    from medsynth.base.errors import InputError
    from medsynth.inference.translated_formats import SIZES

    if size not in SIZES:
        raise InputError(f"size {size!r} is unknown", hint=f"Choose one of {', '.join(SIZES)}.")
    return size
