"""Keep a built site as that of this version, beside those of other versions.

    python .ci/site_versions.py SITE [VERSION]

SITE/latest is what was just built. It is copied to SITE/VERSION, by default medsynth's version; SITE/versions.json,
which the pages' list of versions reads, names all such folders, and SITE/index.html leads to the latest.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

LATEST = "latest"
VERSION = re.compile(r"[0-9]+(\.[0-9]+)*[a-z0-9.]*")
REDIRECT = (
    f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>medsynth</title>\n'
    f'<meta http-equiv="refresh" content="0; url={LATEST}/"></head>\n'
    f'<body><a href="{LATEST}/">medsynth</a></body></html>\n'
)


def keep_version(site: Path, version: str) -> list[str]:
    """Copy the latest build into the folder of a version; return all versions, the newest first."""
    if not VERSION.fullmatch(version):
        raise SystemExit(f"error: {version!r} is no version\nGive one such as 1.2.")
    if not (site / LATEST / "index.html").is_file():
        raise SystemExit(f"error: {site / LATEST} holds no built site\nBuild it with: make docs")
    shutil.rmtree(site / version, ignore_errors=True)
    shutil.copytree(site / LATEST, site / version)
    found = [path.name for path in site.iterdir() if path.is_dir() and VERSION.fullmatch(path.name)]
    found.sort(key=lambda name: [int(part) for part in re.findall("[0-9]+", name)], reverse=True)
    listed = [{"version": name, "title": name, "aliases": [LATEST] if name == version else []} for name in found]
    (site / "versions.json").write_text(json.dumps(listed) + "\n", encoding="utf-8")
    (site / "index.html").write_text(REDIRECT, encoding="utf-8")
    return found


def own_version() -> str:
    """Return medsynth's version, read without importing it."""
    text = (Path(__file__).parents[1] / "medsynth/base/version.py").read_text(encoding="utf-8")
    return re.findall(r'"([0-9][^"]*)"', text)[0]


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    names = keep_version(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else own_version())
    print(f"site/index.html; versions: {', '.join(names)}", file=sys.stderr)
