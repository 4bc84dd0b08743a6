"""medsynth: unpaired image translation for medical screening, from images to a MONAI bundle."""

from medsynth.base.version import __version__

__all__ = ["__version__"]
