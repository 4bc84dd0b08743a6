"""The stage that writes the bundle."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medsynth.api import Classifier, Generator, Subject, exported, returning
from medsynth.base.errors import InputError, RunError
from medsynth.base.files import new_folder
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.bundle.trust.memory import RUN, remember
from medsynth.bundle.writing.assembling import write_bundle
from medsynth.bundle.writing.contents import BundleContents, SourceSample, TargetSample
from medsynth.data.formats.chains import instantiate
from medsynth.data.formats.stacks import Stacks
from medsynth.data.phantom.cohort import write_phantom
from medsynth.data.png import png
from medsynth.data.preparing import Data
from medsynth.flow.folder.runs import Run, SeedRun
from medsynth.flow.outcome.evaluation import Evaluation
from medsynth.flow.outcome.flagging import flag_reference
from medsynth.flow.outcome.reporting import counts, plugin_versions
from medsynth.flow.stages.classification import positive_share

SAMPLES = 4
_Sample = tuple[Path, int | None]
"""An image and its label, None if unknown."""


def write_run_bundle(
    seed_run: SeedRun,
    data: Data,
    generator: Generator,
    classifiers: Mapping[str, Classifier],
    evaluation: Evaluation,
) -> Path:
    """Write the MONAI bundle of the classifier trained with synthetic images, and of its generator."""
    run, plan, folder = seed_run.run, seed_run.run.plan, seed_run.folder / "bundle"
    with run.stage(seed_run.stage_name("bundle")):
        if (folder / "medsynth.json").exists():
            _refuse_changed(folder)
            return folder
        classifier = exported(classifiers[Subject.SYNTHETIC])
        judged = evaluation.predictions[Subject.SYNTHETIC]
        targets, sources = _sample_files(seed_run, data)
        contents = BundleContents(
            name=f"{plan.generator}-{plan.classifier}",
            generator=exported(generator),
            classifier=classifier,
            source_preprocessing=data.preprocessing["source"],
            target_preprocessing=data.preprocessing["target"],
            size=(plan.data.size, plan.data.size),
            channels=plan.data.channels,
            neighbors=plan.data.neighbors,
            windows=data.windows,
            positive=data.positive,
            threshold=judged.threshold,
            temperature=judged.temperature,
            split_hash=data.split_hash,
            parent=plan.parent,
            scores=evaluation.scores,
            plan=plan.as_dict(),
            plugins=plugin_versions(run),
            counts={f"{group}, {split}": n for group, row in counts(data).items() for split, n in row.items()},
            target_samples=_judged(classifier, targets, data, judged.temperature),
            source_samples=_translated(exported(generator), [path for path, _ in sources], data),
            flags=flag_reference(run, data, generator, evaluation.evidence),
            returning=returning(generator),
        )
        write_bundle(folder, contents)
        _trust(run, folder, contents.name)
        shutil.rmtree(_samples_folder(seed_run), ignore_errors=True)
        return folder


def _refuse_changed(bundle: Path) -> None:
    """Refuse a bundle that is not as its manifest lists it.

    Raises:
        InputError: names its first file that is not, and what to do.
    """
    # Added files do no harm here: Python leaves compiled code in a bundle that was run.
    if damaged := [one for one in verify_bundle(bundle).deviations if one.problem != "added"]:
        first = damaged[0]
        raise InputError(
            f"{bundle / first.file} is {first.problem}: it is not as {bundle / 'medsynth.json'} lists it",
            hint=f"Restore it from a copy, or remove {bundle} and continue with --resume, which makes it again.",
        )


def _trust(run: Run, bundle: Path, name: str) -> None:
    """Remember that this user made the bundle; a run does not fail where that cannot be written down."""
    try:
        remember(bundle, name, RUN)
    except RunError as error:
        run.warn("bundle-not-trusted", f"the bundle will need --trust: {error.message}")


def _samples_folder(seed_run: SeedRun) -> Path:
    return seed_run.folder / ".samples"


def _sample_files(seed_run: SeedRun, data: Data) -> tuple[list[_Sample], list[_Sample]]:
    """Return target and source images that may be given away: the phantom's, never a patient's."""
    if data.known_truth and seed_run.run.plan.data.path == "phantom":
        held_out = [record for record in data.records if record.split == "test"]
        root = data.root
        found = {d: [(r.image, r.label) for r in held_out if r.domain == d] for d in ("target", "source")}
    else:
        root = _samples_folder(seed_run)
        with new_folder(root) as folder:
            write_phantom(
                folder / "phantom", source=8, negative=8, positive=8, test=2, size=seed_run.run.plan.data.size, seed=0
            )
        root, found = root / "phantom", {}
        rows = [row.split(",") for row in (root / "manifest.csv").read_text().splitlines()[1:]]
        for domain in ("target", "source"):
            found[domain] = [(row[0], int(row[2])) for row in rows if row[1] == domain]
    targets, sources = (
        [(root / image, label) for image, label in _spread(found[domain])]
        if _reads_flat_files(data.preprocessing[domain])
        and _shows_all([root / image for image, _ in _spread(found[domain])], data, domain)
        else []
        for domain in ("target", "source")
    )
    return targets, sources


def _reads_flat_files(chain: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a preprocessing takes 2D files such as the samples, or volumes of which it cuts a slice."""
    cutting = ("SqueezeDimd", "x[..., ")  # a slice, or slices side by side
    steps = (str(transform["_target_"]) + str(transform.get("func", "")) for transform in chain)
    return not any(word in step for step in steps for word in cutting)


def _shows_all(paths: Sequence[Path], data: Data, domain: str) -> bool:
    """Tell whether samples of 8 bits have anything to show in a domain with a window, which may lie beyond them."""
    if domain not in data.windows:
        return True
    transform = instantiate(data.preprocessing[domain])
    images = [np.asarray(transform({"image": str(path)})["image"]) for path in paths]
    return all(image.min() < image.max() for image in images)


def _spread(images: Sequence[tuple[str, int | None]]) -> list[tuple[str, int | None]]:
    return [images[round(i)] for i in np.linspace(0, len(images) - 1, min(SAMPLES, len(images)))]


def _judged(network: torch.nn.Module, files: Sequence[_Sample], data: Data, temperature: float) -> list[TargetSample]:
    logits = _outputs(network, [path for path, _ in files], data.preprocessing["target"])
    shares = [float(positive_share(one.double(), temperature)[0]) for one in logits]
    return [
        TargetSample(path=path, probability=share, label=label)
        for (path, label), share in zip(files, shares, strict=True)
    ]


def _translated(network: torch.nn.Module, paths: Sequence[Path], data: Data) -> list[SourceSample]:
    images = _outputs(network, paths, data.preprocessing["source"])
    stacks = Stacks(data.images.neighbors)
    files = [png(stacks.middle(one)[0].float().numpy()) for one in images]
    return [SourceSample(path=path, translation=file) for path, file in zip(paths, files, strict=True)]


def _outputs(network: torch.nn.Module, paths: Sequence[Path], chain: Sequence[Mapping[str, Any]]) -> list[torch.Tensor]:
    """Return what the network gives for each file alone, on the CPU, where anybody can reproduce it."""
    network = copy.deepcopy(network).cpu().eval()
    transform = instantiate(chain)
    outputs = []
    for path in paths:
        image = torch.as_tensor(transform({"image": str(path)})["image"])[None]
        with torch.inference_mode():
            outputs.append(network(image))
    return outputs
