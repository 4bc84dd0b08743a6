"""What can only be known on a GPU, in at most ten minutes: one JSON file and one Markdown page.

Training steps of all generators at 256 x 256 in fp32, bf16 and compiled against the straightforward loop; LSNet's
training memory at 320 x 320; a run of the preset `standard`, cut to six minutes; what a killed and continued training
gives.

    make gpu-check
    python benchmarks/gpu_check.py --out docs/results
    python benchmarks/gpu_check.py --tiny --out /tmp/look     (on a CPU: does the program work?)

Every part is a process of its own with a limit, and leaves what it found when it is ended there. Compiling and the
kills run beside the standard run, which measures no time. Ends with status 1 if a part failed or a continued training
differs by more than is allowed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gpu_resume
import gpu_standard
import gpu_steps
from gpu_page import page
from gpu_settings import Settings

PARTS: Mapping[str, Callable[[Settings], None]] = {
    "steps": gpu_steps.steps,
    "memory": gpu_steps.memory,
    "standard": gpu_standard.standard,
    "resume": gpu_resume.resume,
    "ahead": gpu_steps.compile_ahead,
    "compiled": gpu_steps.compiled,
}
LIMITS = {"steps": 80.0, "memory": 35.0, "standard": gpu_standard.LIMIT + 10, "resume": 120.0, "compiled": 75.0}
"""Seconds of each part; `ahead` may compile until the standard run is done. With those beside it: 560 in all."""


@dataclass
class Started:
    """A part that runs, in a process group of its own."""

    name: str
    process: subprocess.Popen[bytes]
    since: float
    log: Path

    def end(self, limit: float) -> dict[str, Any]:
        """Wait for it until `limit` seconds after its start, then end it; return how long it took and what happened."""
        state = "finished"
        try:
            code = self.process.wait(max(0.0, limit - (time.monotonic() - self.since)))
            if code:
                said = self.log.read_text(errors="replace").strip().splitlines()
                state = f"failed: {said[-1] if said else f'exit code {code}'}"
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            state = f"cut after {limit:.0f} s"
        return {"seconds": time.monotonic() - self.since, "state": state}


def start(name: str, command: Sequence[str], folder: Path) -> Started:
    """Start a part; what it says goes to a file of `folder`."""
    log = folder / f"{name}.txt"
    # Kernels that `ahead` compiles are found by `compiled`.
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment, start_new_session=True)
    return Started(name, process, time.monotonic(), log)


def carry_out(settings: Settings, parts: Sequence[str], out: Path) -> dict[str, Any]:
    """Run the parts; after each, write what is known into `out`. Return the content at the end."""
    done: dict[str, dict[str, Any]] = {}
    options = ["--work", str(settings.folder), "--device", settings.device, *(["--tiny"] if settings.tiny else [])]

    def begin(name: str) -> Started:
        return start(name, [sys.executable, __file__, "--part", name, *options], settings.folder)

    def end(name: str, part: Started, limit: float) -> None:
        done[name] = part.end(limit)
        report(settings, done, out)

    def run(name: str, limit: float) -> None:
        if name in parts:
            end(name, begin(name), limit)

    run("steps", LIMITS["steps"])
    run("memory", LIMITS["memory"])
    beside = begin("standard") if "standard" in parts else None
    try:
        run("resume", LIMITS["resume"])
        run("ahead", LIMITS["standard"] - (time.monotonic() - beside.since if beside else 0.0))
        if beside:
            end("standard", beside, LIMITS["standard"])
    finally:
        if beside and "standard" not in done:
            beside.end(0.0)
    run("compiled", LIMITS["compiled"])
    return report(settings, done, out)


def machine(device: str) -> dict[str, Any]:
    """Describe what was measured on."""
    import torch

    from medsynth.training.devices import hardware

    known = hardware(device)
    facts = {name: known[name] for name in ("accelerator", "device", "cpus") if name in known}
    return facts | {"torch": torch.__version__, "CUDA": torch.version.cuda}


def report(settings: Settings, parts: Mapping[str, Mapping[str, Any]], out: Path) -> dict[str, Any]:
    """Write ``gpu.json`` and ``gpu.md`` into `out`; return the content."""
    content = {
        "schema": 1,
        "machine": machine(settings.device),
        "size": settings.size,
        "batch": settings.batch,
        "parts": {name: parts[name] for name in PARTS if name in parts},
        "found": {name: settings.found(name) for name in PARTS},
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "gpu.json").write_text(json.dumps(content, indent=1) + "\n")
    (out / "gpu.md").write_text(page(content))
    return content


def good(content: Mapping[str, Any]) -> bool:
    """Say whether no part failed and every continued training is as it should be; a part that was cut is no failure."""
    failed = any(part["state"].startswith("failed") for part in content["parts"].values())
    return not failed and all(row["passed"] for row in content["found"]["resume"])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder for gpu.json and gpu.md")
    parser.add_argument("--parts", nargs="*", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--tiny", action="store_true", help="small enough for a CPU")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="default: cuda, or cpu with --tiny")
    parser.add_argument("--part", choices=tuple(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the check, or one part of it; return the exit status."""
    given = parse(arguments)
    settings = Settings(given.work or Path(), given.device or ("cpu" if given.tiny else "cuda"), given.tiny)
    if given.part:
        PARTS[given.part](settings)
        return 0
    import torch

    if settings.device == "cuda" and not torch.cuda.is_available():
        print("There is no GPU here that PyTorch can use. --tiny shows whether the check itself works.")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(settings, folder=Path(folder))
        content = carry_out(settings, given.parts, given.out)
    print((given.out / "gpu.md").read_text())
    return 0 if good(content) else 1


if __name__ == "__main__":
    raise SystemExit(main())
