"""Print what pyproject.toml requires, one line each: python3 requirements.py pyproject.toml EXTRA,EXTRA."""

import sys
import tomllib
from pathlib import Path


def required(project: Path, extras: str) -> list[str]:
    """Return the requirements of a project and of its extras, which are parted by commas."""
    content = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    names = [name.strip() for name in extras.split(",") if name.strip()]
    return content["dependencies"] + [line for name in names for line in content["optional-dependencies"][name]]


if __name__ == "__main__":
    print("\n".join(required(Path(sys.argv[1]), sys.argv[2])))
