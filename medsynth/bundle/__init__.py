"""MONAI bundles that run where medsynth is not installed.

Names are imported on first use: writing a bundle needs torch, auditing one must not import it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medsynth.bundle.writing.assembling import write_bundle
    from medsynth.bundle.writing.contents import BundleContents, PluginVersion, SourceSample, TargetSample

__all__ = ["BundleContents", "PluginVersion", "SourceSample", "TargetSample", "write_bundle"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "medsynth.bundle.writing.assembling" if name == "write_bundle" else "medsynth.bundle.writing.contents"
    return getattr(import_module(module), name)
