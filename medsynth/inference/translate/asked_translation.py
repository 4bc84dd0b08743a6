"""What somebody asks of a bundle's generator: translations of files, for which a device is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth.base.progress import Watch
from medsynth.base.stopping import Stop
from medsynth.bundle.opening.opened import Opened
from medsynth.inference.translate.translation import TranslationJob, TranslationSummary, synthesize_files
from medsynth.inference.translate.translator import Translator, load_translator
from medsynth.training.devices import resolve_device

if TYPE_CHECKING:
    from medsynth.inference.flags.measuring import Flags


@dataclass(frozen=True, kw_only=True)
class AskedTranslation:
    """Files to be translated, and how; those not named here are as in `TranslationJob`.

    Args:
        bundle: with the generator.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        judged: write which translations to distrust.
        volume: of NIfTI files that hold several; None = the one that the run chose.
    """

    bundle: Opened
    source: Path
    out: Path
    format: str = ""
    size: str = "network"
    batch: int = 16
    device: str = "auto"
    resume: bool = False
    show_names: bool = False
    judged: bool = True
    volume: int | None = None

    @cached_property
    def translator(self) -> Translator:
        """The generator, loaded."""
        loaded = load_translator(self.bundle, resolve_device(self.device))
        if self.volume is None:
            return loaded
        return replace(loaded, config=replace(loaded.config, volume=self.volume))

    @cached_property
    def flags(self) -> Flags | None:
        """What judges translations, if that is wanted and the bundle holds it."""
        if not self.judged:
            return None
        from medsynth.inference.flags.judges import load_flags  # statistics take long to import

        return load_flags(self.bundle, self.translator.device)

    @property
    def unjudged(self) -> str:
        """Why translations, or one of their numbers, are not judged; empty if they are or if nobody asked."""
        if not self.judged:
            return ""
        from medsynth.inference.flags.judges import NONE, unmeasured

        return unmeasured(self.flags) if self.flags else NONE

    def carry_out(self, watch: Watch, stop: Stop) -> TranslationSummary:
        """Write the translations; errors as of `medsynth.inference.translate.translation.synthesize_files`."""
        job = TranslationJob(
            translator=self.translator,
            source=self.source,
            out=self.out,
            format=self.format,
            size=self.size,
            batch=self.batch,
            resume=self.resume,
            show_names=self.show_names,
            flags=self.flags,
            watch=watch,
            stop=stop,
        )
        return synthesize_files(job)
