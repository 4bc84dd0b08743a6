"""Reads the lists of names beside this file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def read_lists(file: str) -> dict[str, frozenset[str]]:
    """Return the sections of a list file: ``[section]`` lines, then names separated by spaces or line ends."""
    found: dict[str, set[str]] = {}
    section = ""
    for line in (files(__package__) / file).read_text("utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif not line.startswith("#"):
            found.setdefault(section, set()).update(line.split())
    return {name: frozenset(members) for name, members in found.items() if name}


def words(section: str) -> frozenset[str]:
    """Return one list of words.txt."""
    return read_lists("words.txt")[section]


def components() -> dict[str, frozenset[str]]:
    """Return the names of MONAI's components by subpackage."""
    return read_lists("components.txt")


def libraries() -> dict[str, frozenset[str]]:
    """Return the names outside of MONAI that a config may use, by the module or class that holds them."""
    return read_lists("libraries.txt")


@cache
def reaching() -> dict[str, frozenset[str]]:
    """Return bare names of MONAI's components that reach out, by what for."""
    return {
        kinds: frozenset(name.rpartition(".")[2] for name in names)
        for kinds, names in read_lists("reaching.txt").items()
    }
