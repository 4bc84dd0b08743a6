"""MONAI bundles that run where medsynth is not installed. Auditing one imports no torch; writing one needs it."""
