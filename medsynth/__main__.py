"""``python -m medsynth``, and the command ``medsynth``."""

import os
import sys

from medsynth.base.working_folder import leave_working_folder


def main() -> None:
    """Entry point of the command: refuse a working folder that Python would import from, then carry it out."""
    found = leave_working_folder()
    if found:
        _refuse(found)
    os.environ["PYTHONSAFEPATH"] = "1"  # for every Python that a library starts
    from medsynth.cli import main as command

    command()


def _refuse(name: str) -> None:
    if os.environ.get("RANK", "0") == "0":
        sys.stderr.write(
            f"error: the working folder holds {name}, which Python would import instead of an installed module\n"
            "Start it with the command medsynth (torchrun: --no-python medsynth), with PYTHONSAFEPATH=1 in the "
            "environment and nothing empty in PYTHONPATH, or from another folder.\n"
        )
    sys.exit(2)


if __name__ == "__main__":
    main()
