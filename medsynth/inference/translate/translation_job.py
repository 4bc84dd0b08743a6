"""What is to be translated, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth.base.progress import Watch
from medsynth.base.stopping import Stop
from medsynth.inference.shared_summary import Summary
from medsynth.inference.translate.translator import Translator

if TYPE_CHECKING:
    from medsynth.inference.flags.measuring import Flags


@dataclass(frozen=True, kw_only=True)
class TranslationJob:
    """What is to be translated, and how.

    Args:
        translator: of the bundle.
        source: an image, a volume, a DICOM file, a folder or a manifest.
        out: output folder.
        format: ``png``, ``nifti``, ``dicom``; empty = that of each source.
        size: ``network`` or ``native``.
        batch: slices in one step.
        resume: keep what `out` already holds.
        show_names: DICOM files are called like their sources, too.
        flags: what judges translations; None to leave that.
        watch, stop: progress and interruption.
    """

    translator: Translator
    source: Path
    out: Path
    format: str = ""
    size: str = "network"
    batch: int = 16
    resume: bool = False
    show_names: bool = False
    flags: Flags | None = None
    watch: Watch
    stop: Stop


@dataclass(kw_only=True)
class TranslationSummary(Summary):
    """What became of the sources.

    Args:
        translated: written now.
        skipped: were there before.
    """

    translated: int = 0
    skipped: int = 0
