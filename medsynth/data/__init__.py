"""Images: found, checked, split by patient, cached, and drawn for training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medsynth.data.check import Findings


def check_folder(path: str | Path = "phantom", **options: Any) -> Findings:
    """Report everything found in a data set, as ``medsynth data check`` does: counts, faults, duplicates, tags.

    Args:
        path: manifest, folder of images, or ``phantom``.
        options: further fields of `medsynth.data.config.DataConfig`, such as ``size=128``.

    Raises:
        InputError: an unknown option or unusable value. What is wrong with the images is in the findings.
    """
    from medsynth.base.configuration import resolve
    from medsynth.data.check import check_data
    from medsynth.data.config import DataConfig

    config = resolve(DataConfig, [{"path": str(path)}, options], where="data")
    return check_data(config, config.seed)
