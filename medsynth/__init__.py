"""medsynth: unpaired image translation for medical screening, from images to a MONAI bundle."""

__version__ = "0.1.0"
