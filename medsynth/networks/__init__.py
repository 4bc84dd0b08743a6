"""Building blocks that plugins share. Imports torch and MONAI only, so that a bundle can carry a copy."""
