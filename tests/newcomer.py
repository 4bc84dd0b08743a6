"""What a newcomer does: start a distribution, fill in what the documents show, install it."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from medsynth.scaffold.writing import write_distribution

PAGE = Path(__file__).parents[1] / "docs" / "writing-a-plugin.md"


def blocks() -> list[str]:
    """Return the Python blocks of the page in order."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def files() -> dict[str, str]:
    """Return the files that the page shows, by their place in the distribution."""
    named = (re.match(r"# (\S+\.py)\n(.*)", block, re.DOTALL) for block in blocks())
    return {match[1]: match[2] for match in named if match}


def write_cut(folder: Path) -> Path:
    """Start the generator `cut` in `folder`, and change it into what the page shows."""
    write_distribution("generator", "cut", folder)
    for place, text in files().items():
        (folder / place).write_text(text)
    return folder


def install(distribution: Path, site: Path) -> None:
    """Build a wheel and unpack it into `site`."""
    from hatchling.builders.wheel import WheelBuilder

    for wheel in WheelBuilder(str(distribution)).build(directory=str(distribution / "dist"), versions=["standard"]):
        zipfile.ZipFile(wheel).extractall(site)
