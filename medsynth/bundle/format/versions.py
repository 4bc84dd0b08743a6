"""Library versions that a bundle was made with, and those that are installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import metadata as distributions
from typing import Any

_FIELDS = {"monai_version": "monai", "pytorch_version": "torch", "numpy_version": "numpy"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._!-]*")


def installed(distribution: str) -> str:
    """Return the version of a distribution without a local part such as ``+cpu``; empty if it is not installed."""
    try:
        return distributions.version(distribution).partition("+")[0]
    except distributions.PackageNotFoundError:
        return ""


def stated_versions(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the version by distribution that a configs/metadata.json states, as far as it is usable."""
    required = metadata.get("required_packages_version")
    stated = {_FIELDS[field]: metadata.get(field) for field in _FIELDS}
    stated |= dict(required) if isinstance(required, Mapping) else {}
    return {
        name: version.partition("+")[0]
        for name, version in stated.items()
        if isinstance(version, str) and _NAME.fullmatch(name) and _VERSION.fullmatch(version.partition("+")[0])
    }


def differing_versions(metadata: Mapping[str, Any]) -> tuple[dict[str, tuple[str, str]], str]:
    """Compare what a configs/metadata.json states with what is installed.

    Returns:
        By distribution the bundle's version and the one here (empty = not installed), and the command that installs
        the bundle's versions of those; both empty if all are the same.
    """
    stated = stated_versions(metadata)
    differing = {name: (version, here) for name, version in stated.items() if (here := installed(name)) != version}
    return differing, install_command({name: stated[name] for name in differing})


def install_command(versions: Mapping[str, str]) -> str:
    """Return the pip command that installs exactly these versions; empty for none."""
    packages = " ".join(f'"{name}=={version}"' for name, version in versions.items())
    return f"pip install {packages}" if packages else ""
