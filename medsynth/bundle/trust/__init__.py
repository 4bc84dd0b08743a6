"""Which bundles may be executed on this machine."""
