"""The medsynth command in a confined process."""

from __future__ import annotations

from medsynth.confinement.confined import enter


def main() -> None:
    """Confine this process and run the command; its arguments follow the settings."""
    enter()
    from medsynth.cli import main as command  # only now: what it imports is to be confined, too

    command()
