"""What a study asks for: read from TOML, resolved for a preset, turned into the plans of its runs."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from medsynth.api import Subject, option
from medsynth.base.configuration import as_dict, nearest, resolve
from medsynth.base.errors import InputError
from medsynth.plan.plan import DEFAULT_EVALUATORS, Plan, make_plan
from medsynth.plugins import Registry
from medsynth.training.config import BASELINES


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The runs of a study: every combination, once per ablation."""

    title: str = option("", "heading of the comparison")
    about: str = option("", "what should be kept in mind when reading it")
    data: str = option("phantom", "manifest, folder of images, or 'phantom'")
    generators: tuple[str, ...] = option(("sg-cyclegan",), "generator plugins")
    classifiers: tuple[str, ...] = option(("lsnet",), "classifier plugins")
    seeds: tuple[int, ...] = option((42,), "training seeds")
    evaluators: tuple[str, ...] = option(DEFAULT_EVALUATORS, "evaluator plugins")
    settings: tuple[str, ...] = option((), "kind.field=value for all runs")


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """One row of the comparison: whose scores it shows, over all seeds.

    Empty choices mean the study's first one.
    """

    label: str = option("", "as printed")
    generator: str = option("", "of which runs")
    classifier: str = option("", "of which runs")
    ablation: str = option("", "of which runs")
    subject: str = option(
        Subject.SYNTHETIC,
        "whose scores: synthetic, real-only, untranslated, oracle, or another subject of an evaluator",
    )
    seed: int = option(-1, "of which run; -1 = of all, with mean and standard deviation", low=-1)
    prevalence: float = option(0.0, "at which screening scores are shown; 0 = those that depend on none", low=0, high=1)
    given: tuple[float, ...] = option((), "sensitivity and specificity from elsewhere, for screening scores")
    paper: Mapping[str, float | str] = field(default_factory=dict, metadata={"help": "a paper's figure by column"})


@dataclass(frozen=True, kw_only=True)
class StudyTable:
    """How the comparison is shown."""

    columns: tuple[str, ...] = option(
        ("diagnostic.roc_auc", "diagnostic.sensitivity", "diagnostic.specificity", "image-quality.kid"),
        "EVALUATOR.SCORE, with @SUBJECT where it is not the row's",
    )
    reference: str = option("", "label of the row that others are tested against; empty = the first")
    tests: bool = option(True, "test rows against the reference")
    bootstrap: bool = option(False, "show diagnostic scores by resamples of the test patients, run by run")
    paper: str = option("", "where the paper's figures come from")


@dataclass(frozen=True)
class StudyRun:
    """One run of a study.

    Args:
        generator, classifier: plugins.
        ablation: its name; empty where there is none.
        settings: of the ablation.
        seed: of the training.
    """

    generator: str
    classifier: str
    ablation: str
    settings: tuple[str, ...]
    seed: int

    @property
    def name(self) -> str:
        """Folder of the run, relative to the study's ``runs``."""
        ablation = re.sub(r"[^a-z0-9.-]+", "-", self.ablation.lower()).strip("-.")
        return f"{'--'.join(filter(None, (self.generator, self.classifier, ablation)))}/{self.seed}"


@dataclass(frozen=True, kw_only=True)
class Study:
    """A resolved study.

    Args:
        name: of the file it came from.
        preset, device: of all runs.
        grid: the runs.
        ablations: settings by name; one of no name and no settings where the study has none.
        table, rows: what is compared; without rows every combination with synthetic images gets one, and below
            them each classifier with each of `BASELINES`.
        reuse: folders of other studies, whose finished stages are taken.
    """

    name: str
    preset: str
    device: str
    grid: Grid
    ablations: Mapping[str, tuple[str, ...]]
    table: StudyTable
    rows: tuple[StudyRow, ...]
    reuse: tuple[Path, ...] = ()

    def runs(self) -> list[StudyRun]:
        """Return all runs; those that share a generator or a seed do not follow each other, to be done side by side."""
        grid = self.grid
        combinations = itertools.product(self.ablations.items(), grid.classifiers, grid.seeds, grid.generators)
        return [
            StudyRun(generator, classifier, *ablation, seed) for ablation, classifier, seed, generator in combinations
        ]

    def plan(self, run: StudyRun, registry: Registry) -> Plan:
        """Resolve the plan of a run.

        Raises:
            InputError: for any unknown name or unusable value.
        """
        return make_plan(
            registry,
            generator=run.generator,
            classifier=run.classifier,
            evaluators=self.grid.evaluators,
            preset=self.preset,
            seeds=[run.seed],
            device=self.device,
            data=self.grid.data,
            overrides=[f"training.baselines={','.join(self._baselines(run))}", *self.grid.settings, *run.settings],
        )

    def _baselines(self, run: StudyRun) -> list[str]:
        """Return the classifiers of a run that are asked for anywhere, beside the one with synthetic images."""
        own = (run.generator, run.classifier, run.ablation)
        rows = [row for row in self.rows if own == (row.generator, row.classifier, row.ablation)]
        asked = [row.subject for row in rows if row.seed in (-1, run.seed)]
        asked += [text for text in (*self.table.columns, *self.grid.settings, *run.settings) if rows]
        return [name for name in BASELINES if any(name in text for text in asked)]

    def as_dict(self) -> dict[str, Any]:
        """Return the study as study.toml holds it."""
        return {
            **as_dict(self.grid),
            "ablations": {name: list(settings) for name, settings in self.ablations.items()},
            "comparison": {**as_dict(self.table), "rows": [as_dict(row) for row in self.rows]},
            "resolved": {
                "name": self.name,
                "preset": self.preset,
                "device": self.device,
                "reuse": [str(folder) for folder in self.reuse],
            },
        }


def ready_studies() -> list[str]:
    """Return the names of the studies that come with medsynth."""
    folder = resources.files("medsynth.studies")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_study(
    name: str,
    *,
    device: str,
    preset: str = "",
    default_preset: str = "quick",
    data: str = "",
    seeds: Sequence[int] = (),
    settings: Sequence[str] = (),
) -> Study:
    """Read a study that comes with medsynth, or a TOML file, which may be the study.toml of one that was run.

    Args:
        name: of the study, or path of a file that ends in ``.toml``.
        device: of all runs.
        preset: also chooses the table ``presets.PRESET``, whose values replace the others. Empty = that of the
            study that was run, else the default.
        default_preset: where neither asks for one.
        data, seeds, settings: replace or, settings, follow those of the study.

    Raises:
        InputError: for an unknown study, an unreadable file, an unknown field or an unusable value.
    """
    content = _read(name)
    made = content.pop("resolved", {})
    preset = preset or made.get("preset", default_preset)
    scale = content.pop("presets", {}).get(preset, {})
    asked = {"data": data, "seeds": list(seeds)}
    layers = [content, scale, {key: value for key, value in asked.items() if value}]
    study = _resolve(layers, name=made.get("name", Path(name).stem), preset=preset, device=device)
    grid = replace(study.grid, settings=(*study.grid.settings, *settings))
    return replace(study, grid=grid)


def read_resolved(path: Path) -> Study:
    """Read the study.toml of a study's folder."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    resolved = content.pop("resolved")
    reuse = tuple(map(Path, resolved.pop("reuse", ())))
    return replace(_resolve([content], **resolved), reuse=reuse)


def _read(name: str) -> dict[str, Any]:
    if not name.endswith(".toml"):
        if name not in ready_studies():
            raise InputError(f"unknown study '{name}'", hint=f"{nearest(name, ready_studies())} Or give a TOML file.")
        return tomllib.loads((resources.files("medsynth.studies") / f"{name}.toml").read_text(encoding="utf-8"))
    try:
        return tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{name} cannot be read: {error}") from None


def _resolve(layers: Sequence[Mapping[str, Any]], *, name: str, preset: str, device: str) -> Study:
    own, grids = ("ablations", "comparison"), []
    merged: dict[str, Any] = {}
    for layer in layers:
        grids.append({key: value for key, value in layer.items() if key not in own})
        merged |= {key: layer[key] for key in own if key in layer}
    grid = resolve(Grid, grids, where="study")
    comparison = dict(merged.get("comparison", {}))
    rows = tuple(resolve(StudyRow, [row], where="comparison.rows") for row in comparison.pop("rows", ()))
    study = Study(
        name=name,
        preset=preset,
        device=device,
        grid=grid,
        ablations={key: tuple(map(str, value)) for key, value in merged.get("ablations", {}).items()} or {"": ()},
        table=resolve(StudyTable, [comparison], where="comparison"),
        rows=(),
    )
    return replace(study, rows=tuple(_complete(study, row) for row in rows) or _default_rows(study))


def _complete(study: Study, row: StudyRow) -> StudyRow:
    """Fill in a row's empty choices, and refuse choices that are not part of the study."""
    known = {
        "generator": study.grid.generators,
        "classifier": study.grid.classifiers,
        "ablation": tuple(study.ablations),
    }
    chosen: dict[str, Any] = {kind: getattr(row, kind) or names[0] for kind, names in known.items()}
    for kind, value in chosen.items():
        if value not in known[kind]:
            raise InputError(
                f"comparison.rows: {kind} = {value!r} is not in this study", hint=nearest(value, known[kind])
            )
    if row.given and len(row.given) != 2:
        raise InputError(f"comparison.rows: given = {list(row.given)} must be sensitivity and specificity")
    label = row.label or " + ".join(filter(None, chosen.values()))
    return replace(row, label=label, **chosen)


def _default_rows(study: Study) -> tuple[StudyRow, ...]:
    grid = study.grid
    rows = [
        StudyRow(label=" + ".join(filter(None, parts)), generator=parts[0], classifier=parts[1], ablation=parts[2])
        for parts in itertools.product(grid.generators, grid.classifiers, study.ablations)
    ]
    # What was trained without the generator's images is the same whichever generator a run has.
    without: dict[tuple[str, tuple[str, ...]], tuple[str, str]] = {}
    for classifier, (ablation, settings) in itertools.product(grid.classifiers, study.ablations.items()):
        effective = tuple(setting for setting in settings if not setting.startswith("generator."))
        without.setdefault((classifier, effective), (classifier, ablation))
    for (classifier, ablation), subject in itertools.product(without.values(), BASELINES):
        label = " + ".join(filter(None, (subject, classifier, ablation)))
        rows.append(
            StudyRow(
                label=label, generator=grid.generators[0], classifier=classifier, ablation=ablation, subject=subject
            )
        )
    return tuple(rows)
