"""The last two stages: the bundle and the report."""

from __future__ import annotations

import copy
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medsynth.api import Classifier, Generator, Result, RunInfo, Section
from medsynth.base.errors import InputError, RunError
from medsynth.base.files import new_folder
from medsynth.bundle import BundleContents, PluginVersion, SourceSample, TargetSample, write_bundle
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.bundle.format.privacy import without_locations
from medsynth.bundle.trust.memory import RUN, remember
from medsynth.data.formats.chains import instantiate
from medsynth.data.phantom.cohort import write_phantom
from medsynth.data.png import png
from medsynth.data.preparing import Data
from medsynth.data.pseudonyms import IMAGE
from medsynth.report import GalleryRow, ImportanceRow, ReportContent, content_verdict, write_report
from medsynth.results.warned import texts
from medsynth.run.folder.runs import Run, SeedRun
from medsynth.run.outcome.evaluation import Evaluation
from medsynth.run.outcome.importance import importance_rows
from medsynth.run.stages.building import policy_of
from medsynth.run.stages.classification import positive_share
from medsynth.training.inspection import inspect

SAMPLES = 4
GALLERY = 8
MAIN = "synthetic"
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
        classifier = next(iter(classifiers[MAIN].networks().values()))
        judged = evaluation.predictions[MAIN]
        targets, sources = _sample_files(seed_run, data)
        contents = BundleContents(
            name=f"{plan.generator}-{plan.classifier}",
            generator=next(iter(generator.networks().values())),
            classifier=classifier,
            source_preprocessing=data.preprocessing["source"],
            target_preprocessing=data.preprocessing["target"],
            size=(plan.data.size, plan.data.size),
            channels=plan.data.channels,
            positive=data.positive,
            threshold=judged.threshold,
            temperature=judged.temperature,
            split_hash=data.split_hash,
            parent=plan.parent,
            scores=evaluation.scores,
            plan=plan.as_dict(),
            plugins=_plugin_versions(run),
            counts={f"{group}, {split}": n for group, row in counts(data).items() for split, n in row.items()},
            target_samples=_judged(classifier, targets, data, judged.temperature),
            source_samples=_translated(next(iter(generator.networks().values())), [path for path, _ in sources], data),
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
        else []
        for domain in ("target", "source")
    )
    return targets, sources


def _reads_flat_files(chain: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a preprocessing takes 2D files such as the samples, or volumes of which it cuts a slice."""
    return not any(str(transform["_target_"]).endswith("SqueezeDimd") for transform in chain)


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
    files = [png(one[0].float().numpy()) for one in images]
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


def _plugin_versions(run: Run) -> list[PluginVersion]:
    return [
        PluginVersion(**plugin, reference=run.registry.load(plugin["kind"], plugin["name"]).reference)
        for plugin in run.record["plugins"]
    ]


def counts(data: Data) -> dict[str, dict[str, int]]:
    """Count images by domain and class, per split."""
    names = {1: data.positive, 0: f"not {data.positive}", None: "label unknown"}
    table: dict[str, dict[str, int]] = {}
    for (domain, label, split), number in sorted(
        Counter((r.domain, r.label, r.split) for r in data.records).items(), key=lambda item: str(item[0])
    ):
        table.setdefault(f"{domain}, {names[label]}", {})[split] = number
    return table


def write_run_report(
    seed_run: SeedRun, data: Data, classifiers: Mapping[str, Classifier], evaluation: Evaluation, bundle: Path
) -> Result:
    """Write report.html, after asking observers for further sections."""
    run, plan = seed_run.run, seed_run.run.plan
    path = seed_run.folder / "report.html"
    result = Result(scores=evaluation.scores, bundle=str(bundle), report=str(path))
    with run.stage(seed_run.stage_name("report")):
        histories = evaluation.histories
        content = ReportContent(
            title=f"{plan.generator} + {plan.classifier}{_on(data, plan.data.path)}",
            plan=shown_plan(run),
            run=facts(run) | {"seed": seed_run.seed},
            scores=evaluation.scores,
            measurements=evaluation.measurements,
            predictions=evaluation.predictions,
            gallery=_gallery(evaluation, data),
            importance=_importance(run, data, classifiers, evaluation),
            inspection=inspect(classifiers[MAIN], data.images.select(domain="target", split="test"), policy_of(plan)),
            curves={name: _curves(history, "losses") for name, history in histories.items()},
            validation={name: _curves(history, "validation") for name, history in histories.items()},
            counts=counts(data),
            stage_seconds={name: stage["seconds"] for name, stage in run.record["stages"].items()},
            warnings=[data.pseudonyms.hide(text) for text in texts(run.record)],
            sections=observer_sections(run, result),
            references=[plugin.reference for plugin in _plugin_versions(run) if plugin.reference],
            positive=data.positive,
            seed=seed_run.seed,
        )
        write_report(seed_run.folder, content)
        if len(plan.seeds) == 1:
            conclude(run, content)
    return result


def facts(run: Run) -> dict[str, Any]:
    """Return how and where it ran: the record without what the report shows elsewhere."""
    return {key: value for key, value in run.record.items() if key not in ("stages", "warnings", "verdict")}


def conclude(run: Run, content: ReportContent) -> None:
    """Keep what the report says first in run.json, for scripts and for the terminal."""
    run.record["verdict"] = asdict(content_verdict(content))
    run.save()


def _on(data: Data, path: str) -> str:
    return f" on {Path(path).name}" if data.pseudonyms.shown else ""


def shown_plan(run: Run) -> dict[str, Any]:
    """Return the plan as the report shows it: without paths and names, unless the user wants to see them."""
    plan = run.plan.as_dict()
    return plan if run.plan.data.show_names else dict(without_locations(plan))


def observer_sections(run: Run, result: Result) -> list[Section]:
    """Collect what observers add; one that fails is named in a warning."""
    sections: list[Section] = []
    info: RunInfo = run.info()
    for hooks in run.registry.observers():
        try:
            sections += [
                section for part in hooks.medsynth_report_sections(run=info, result=result) for section in part
            ]
        except Exception as failure:  # an observer must not end a run
            run.warn("observer-failed", f"an observer failed to add to the report: {type(failure).__name__}: {failure}")
    return sections


def _curves(history: Mapping[str, Any], kind: str) -> dict[str, list[float]]:
    """Join the phases of one training, naming the phase where there are several; NaN for epochs without a value."""
    phases = history["phases"]
    return {
        name if len(phases) == 1 else f"{phase['name']} {name}": _by_epoch(values, phase["validated"], kind)
        for phase in phases
        for name, values in phase[kind].items()
    }


def _by_epoch(values: list[float], epochs: list[int], kind: str) -> list[float]:
    if kind == "losses":
        return values
    placed = dict(zip(epochs, values, strict=True))
    return [placed.get(epoch, float("nan")) for epoch in range(1, epochs[-1] + 1)]


def _importance(
    run: Run, data: Data, classifiers: Mapping[str, Classifier], evaluation: Evaluation
) -> list[ImportanceRow]:
    """Return importance maps; a classifier of a plugin need not have features that they could show."""
    judged = evaluation.predictions[MAIN]
    try:
        return importance_rows(classifiers, evaluation.evidence.real, judged, main=MAIN, called=_called(data))
    except ValueError as error:
        run.warn("no-importance-maps", f"the report has no importance maps: {error}")
        return []


def _called(data: Data) -> Callable[[str], str]:
    """Return what the report calls an image by its name."""
    names = data.pseudonyms
    return lambda name: Path(name).name if names.shown else names.alias(IMAGE, name)


def _gallery(evaluation: Evaluation, data: Data) -> list[GalleryRow]:
    evidence = evaluation.evidence
    training = evidence.training.images
    rows = []
    for index in np.linspace(0, len(evidence.source) - 1, min(GALLERY, len(evidence.source))).round().astype(int):
        synthetic = evidence.synthetic.images[index]
        nearest = min(range(len(training)), key=lambda i: float(np.square(training[i] - synthetic).mean()))
        label = {1: "positive", 0: "negative"}.get(int(evidence.source.labels[index]), "label unknown")
        rows.append(
            GalleryRow(
                source=evidence.source.images[index],
                synthetic=synthetic,
                nearest=training[nearest],
                truth=None if evidence.truth is None else evidence.truth.images[index],
                caption=f"{_called(data)(str(evidence.source.names[index]))}, {label}",
            )
        )
    return rows
