"""MONAI bundles that run where medsynth is not installed."""

from medsynth.bundle.contents import BundleContents, PluginVersion, SourceSample, TargetSample
from medsynth.bundle.writer import write_bundle

__all__ = ["BundleContents", "PluginVersion", "SourceSample", "TargetSample", "write_bundle"]
