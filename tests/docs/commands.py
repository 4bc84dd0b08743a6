"""The commands that the documents show: where they stand, and why some of them are not carried out by the suite."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
PROGRAMS = (
    "medsynth", "make", "pip", "python", "git", "cd", "torchrun", "srun", "sbatch", "ray", "tensorboard", "docker",
    "monai-deploy",
)  # fmt: skip
WHY_NOT = {
    r"(pip|git|cd) .*": "needs an index of packages or a server; extras are compared with pyproject.toml",
    r"make .*": "sets up an environment or takes long; targets are compared with the Makefile, .ci/run uses some",
    r"python benchmarks/.*": "measures for minutes; tests/benchmarks does parts of it",
    r"python -m monai\.bundle .*": "done where medsynth cannot be imported, by tests/bundle/test_forms.py",
    r"torchrun .*": "done by tests/training/test_processes.py",
    r"(sbatch|srun) .*": "needs SLURM",
    r"(ray .*|medsynth study .* --ray .*)": "needs Ray; done by tests/studies/test_cluster.py where it is installed",
    r"medsynth predict .* --format dicom-sr .*": "needs an extra; done by tests/inference/predict where it is there",
    r"python docs/deployment/monai_deploy/.*": "done by tests/docs/test_monai_deploy.py",
    r"monai-deploy .*": "needs a container runtime",
    r"docker .*": "needs a container runtime; tests/docs/test_container.py reads what can be read",
    r"tensorboard .*": "serves until it is stopped",
    r"medsynth run .* --device cuda": "needs a GPU; a device that is not there is refused",
    r"medsynth bundle (sign|verify) .* --key .*": "needs keys and an extra; done by tests/bundle/test_signing.py",
    r"medsynth export .*": "needs an extra; done by tests/inference/predict where it is installed",
    r"medsynth data import (?!SOURCE).*": "needs data of these layouts; done by tests/data/importing",
    r"medsynth readers merge .*": "needs what people answered; done by tests/readers",
    r"medsynth readers make studies/.*": "as for a run of its own, which is done",
    r"medsynth \w+ bundles/.*": "done by tests/bundle/test_reference.py",
    r"medsynth bundle export .* --zip .*": "exports once more; done by tests/bundle/test_forms.py",
    r"medsynth bundle verify .* --reproduce": "done by tests/bundle/test_reproduction.py",
    r"medsynth bundle get .*": "needs another host; done by tests/bundle/test_fetching.py with one on this machine",
    r"medsynth bundle push .* hf:.*": "needs the hub; done by tests/bundle/test_publishing.py with one on this machine",
    r"medsynth bundle distrust .*": "takes the trust that others need here; done by tests/bundle/test_trust.py",
    r"medsynth plugins show .* --match .*": "searches for a while; done by tests/plan/test_matching.py",
    r"medsynth plugins check cut": "done by tests/scaffold and tests/plugins with what the page shows",
}
"""By a pattern that fits the whole command."""


@dataclass(frozen=True)
class Shown:
    """A command as a document shows it, on one line."""

    document: str
    text: str

    @property
    def words(self) -> list[str]:
        """Its words, without the brackets of what may be left out, and of alternatives the first."""
        plain = re.sub(r"\[(--[^\]]*)\]", r"\1", self.text)
        plain = re.sub(r"\b([A-Z]+)\|[A-Z0-9]+\b", r"\1", plain)
        return [word for word in shlex.split(plain, comments=True) if word != "..."]

    @property
    def reason(self) -> str:
        """Why it is not carried out here, or nothing."""
        return next((reason for pattern, reason in WHY_NOT.items() if re.fullmatch(pattern, self.text)), "")


def shown_commands() -> list[Shown]:
    """Return all commands of all documents, each once."""
    found = {
        command: Shown(str(document.relative_to(ROOT)), command)
        for document in DOCUMENTS
        for block in _blocks(document.read_text(encoding="utf-8"))
        for command in _commands(block)
    }
    return list(found.values())


def _blocks(text: str) -> Iterator[str]:
    """Return the blocks of code that are fenced without a language, or with a shell's, and those that are indented."""
    fence = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    yield from (match[2] for match in fence.finditer(text) if match[1] in ("", "bash", "console", "sh"))
    yield from (match[0] for match in re.finditer(r"(?<=\n\n)(?: {4}.*\n)+", fence.sub("", text)))


def _commands(block: str) -> Iterator[str]:
    for line in block.replace("\\\n", " ").splitlines():
        for part in line.strip().removeprefix("$ ").split(" && "):
            words = part.split("  #")[0].split()
            if words and words[0] in PROGRAMS and len(words) > 1:
                yield " ".join(words)
