"""The stages that judge, write the bundle and report."""
