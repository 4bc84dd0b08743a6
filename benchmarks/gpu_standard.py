"""Part of `gpu_check.py`: one run of the preset `standard` on the phantom, with as many epochs as fit into the time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generators import COLUMNS, cell
from gpu_settings import Settings, free, seconds_per_act
from train_step_subjects import HALFWAY

if TYPE_CHECKING:
    from medsynth.plan.plan import Plan

LIMIT = 360.0
"""Seconds of the whole part."""
RESERVE = 180.0
"""Seconds of all that is no training: start, images, looks at translations, synthesis, evaluation, bundle, report.

Rather too many: a run that is ended has no scores, one that is done early has lost little.
"""
TINY = (
    "data.size=32", "data.phantom_source=20", "data.phantom_negative=20", "data.phantom_positive=10",
    "data.phantom_test=10", "generator.epoch_steps=4", "generator.width=4", "generator.blocks=1",
    "generator.discriminator_width=4", "classifier.epoch_steps=4", "evaluators.diagnostic.resamples=200",
)  # fmt: skip


def standard(settings: Settings) -> None:
    """Choose the epochs, carry out the run, and keep its plan, times, scores and warnings."""
    start = time.monotonic()
    plan = make(settings)
    rates = measure(plan, settings)
    free()
    chosen = epochs_that_fit(plan, rates, LIMIT - RESERVE - (time.monotonic() - start))
    settings.add("standard", seconds_per_step=rates, epochs=chosen, preset=preset_epochs(plan))
    folder = settings.folder / "run"
    sets = [f"{name}={value}" for name, value in chosen.items()] + [*(TINY if settings.tiny else ())]
    command = [sys.executable, "-m", "medsynth", "run", "--preset", "standard", "--device", settings.device]
    command += ["--out", str(folder), *(part for item in sets for part in ("--set", item))]
    with (settings.folder / "run.txt").open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, "NO_COLOR": "1"})
        try:
            process.wait(LIMIT - (time.monotonic() - start))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    settings.add("standard", code=process.returncode, **outcome(folder))


def make(settings: Settings) -> Plan:
    """Return the plan that the preset makes."""
    from medsynth.door.asked import PLUGINS
    from medsynth.plan.plan import make_plan
    from medsynth.plugins import Registry

    sets = TINY if settings.tiny else ()
    return make_plan(Registry(), **PLUGINS, preset="standard", seeds=[42], device=settings.device, overrides=sets)


def measure(plan: Plan, settings: Settings) -> dict[str, float]:
    """Return the seconds of a step in each phase of the plan's generator and classifier, on random images."""
    import torch

    from medsynth.flow.stages.building import make_setup
    from medsynth.plugins import Registry
    from medsynth.training.devices import make_policy

    registry, policy = Registry(), make_policy(plan.device, plan.training, plan.data.size)
    found: dict[str, float] = {}
    for kind in ("generator", "classifier"):
        spec = registry.load(kind, getattr(plan, kind))
        model = registry.create(spec, getattr(plan, f"{kind}_config"), make_setup(plan, kind))
        for phase in model.phases():
            for item in phase.state.values():
                if isinstance(item, torch.nn.Module):
                    policy.apply(item.train())
            shape = (phase.batch_size, plan.data.channels, plan.data.size, plan.data.size)
            first, second = torch.rand(2, *shape, device=plan.device) * 2 - 1
            labels = torch.arange(phase.batch_size, device=plan.device) % 2
            batch = {"source": first, "target": second} if kind == "generator" else {"image": first, "label": labels}

            def act(phase: Any = phase, batch: Any = batch) -> None:
                with policy.autocast():
                    phase.step(HALFWAY, batch)

            found[f"{kind} {phase.name}"] = seconds_per_act(act, settings, turns=2)
    return found


def preset_epochs(plan: Plan) -> dict[str, int]:
    """Return the plan's numbers of epochs by the names of their options."""
    return {
        "generator.epochs": plan.generator_config.epochs,
        "classifier.pretrain_epochs": plan.classifier_config.pretrain_epochs,
        "classifier.finetune_epochs": plan.classifier_config.finetune_epochs,
    }


def epochs_that_fit(plan: Plan, rates: dict[str, float], seconds: float) -> dict[str, int]:
    """Return the plan's epochs, all shortened alike so that training takes `seconds` by the measured rates."""
    data, generator, classifier = plan.data, plan.generator_config, plan.classifier_config
    target = data.phantom_negative + data.phantom_positive
    # Rather too many: a tenth or two of the patients are held out, but positive images may be repeated.
    steps = generator.epoch_steps or max(data.phantom_source, target) // generator.batch_size
    mixed = classifier.epoch_steps or (data.phantom_source + target) // classifier.batch_size
    real = classifier.epoch_steps or target // classifier.batch_size
    rows, whole = 1 + len(plan.training.baselines), 0.0
    for name, rate in rates.items():
        kind, _, phase = name.partition(" ")
        if kind == "generator":
            whole += rate * steps * generator.epochs
        elif phase.startswith("fine"):
            whole += rows * rate * real * classifier.finetune_epochs
        else:
            whole += rows * rate * mixed * classifier.pretrain_epochs
    share = min(1.0, max(0.0, seconds) / whole)
    return {name: max(1, int(share * count)) if count else 0 for name, count in preset_epochs(plan).items()}


def outcome(folder: Path) -> dict[str, Any]:
    """Return what became of the run: seconds by stage, scores as text, warnings; scores only if it finished."""
    record = json.loads((folder / "run.json").read_text()) if (folder / "run.json").exists() else {}
    stages = {name: stage.get("seconds") for name, stage in record.get("stages", {}).items()}
    scores: dict[str, str] = {}
    if (folder / "scores.json").exists():
        measured = json.loads((folder / "scores.json").read_text())["scores"]
        scores = {column: cell(measured, column) for column in COLUMNS}
    return {"stages": stages, "scores": scores, "warnings": [found["text"] for found in record.get("warnings", [])]}
