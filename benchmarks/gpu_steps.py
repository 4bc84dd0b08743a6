"""Parts of `gpu_check.py` that measure training steps: of all generators, and of LSNet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gpu_settings import Settings, free, peak_memory, problem, seconds_per_act
from train_step_subjects import FORMS, GENERATORS, HALFWAY, Options, Subject, build_step

PLAIN, OWN = FORMS
EAGER = {"plain fp32": {}, "fp32": {"precision": "fp32"}, "bf16": {"precision": "bf16"}}
"""Core settings by form; the plain form has none."""
COMPILED = {"bf16 + compile": {"precision": "bf16", "compile": "on"}}
LSNET_SIZE, LSNET_BATCH, LSNET_CHANNELS = 320, 4, 3


def attained(settings: Settings) -> dict[str, float]:
    """Return the floating-point operations per second of a large matrix product, by precision.

    That in fp32 may use TensorFloat-32, as PyTorch's convolutions do by default.
    """
    import torch

    side, found = 128 if settings.tiny else 8192, {}
    kept = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        matrix = torch.randn(side, side, device=settings.device, dtype=kind)
        found[name] = 2 * side**3 / seconds_per_act(lambda m=matrix: torch.mm(m, m), settings)
    torch.backends.cuda.matmul.allow_tf32 = kept
    return found


def operations(subject: Subject) -> int:
    """Return the floating-point operations of convolutions and matrix products in a step, backward pass included."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        subject.act()
    return counter.get_total_flops()


def steps(
    settings: Settings,
    forms: Mapping[str, Mapping[str, str]] = EAGER,
    part: str = "steps",
    generators: Sequence[str] = GENERATORS,
) -> None:
    """Measure a training step of generators in the given forms."""
    peaks = attained(settings)
    settings.add(part, peaks=peaks)
    for name in generators:
        for form, training in forms.items():
            settings.add(part, generator=name, form=form, **_row(settings, name, training, peaks))
            free()


def compiled(settings: Settings) -> None:
    """Measure the compiled steps."""
    steps(settings, COMPILED, "compiled")


def compile_ahead(settings: Settings) -> None:
    """Let the compiler do its work once; what it made is on disk afterwards and `compiled` finds it there."""
    for name in GENERATORS:
        try:
            build(settings, name, COMPILED["bf16 + compile"]).act()
            settings.add("ahead", generator=name, error="")
        except Exception as error:  # a compiler fails in many ways
            settings.add("ahead", generator=name, error=problem(error))


def build(settings: Settings, name: str, training: Mapping[str, str]) -> Subject:
    """Return the step of a generator: medsynth's with the given core settings, the plain one without any."""
    options = Options(settings.size, settings.batch, settings.device, 1, settings.folder, training=training)
    return build_step(name, OWN if training else PLAIN, options, **settings.generator(name))


def _row(settings: Settings, name: str, training: Mapping[str, str], peaks: Mapping[str, float]) -> dict[str, Any]:
    try:
        count = operations(build(settings, name, {key: training[key] for key in training if key != "compile"}))
        free()
        subject = build(settings, name, training)
        seconds = seconds_per_act(subject.act, settings)
        memory = peak_memory(subject.act, settings)
    except Exception as error:  # too little memory, no compiler: the other rows count all the same
        return {"error": problem(error)}
    rate = count / seconds
    return {
        "milliseconds": 1e3 * seconds,
        "images_per_second": 2 * settings.batch / seconds,
        "teraflops": rate / 1e12,
        "share": rate / peaks[training.get("precision", "fp32")],
        "mebibytes": memory.get("peak"),
        "error": "",
    }


# ---------------------------------------------------------------- LSNet


def memory(settings: Settings, precisions: Sequence[str] = ("fp32", "bf16")) -> None:
    """Measure LSNet's training at 320 x 320, batch 4, with its attention and with keys repeated before the gather."""
    from medsynth_lsnet import network
    from medsynth_lsnet.attention import attend
    from repeat_then_gather import repeat_then_gather

    for attention, form in (("direct", attend), ("repeated", repeat_then_gather)):
        network.attend = form
        try:
            for precision in precisions:
                for phase, act in lsnet_phases(settings, precision).items():
                    row = {"attention": attention, "precision": precision, "phase": phase}
                    settings.add("memory", **row, **_training(settings, act))
                    free()
        finally:
            network.attend = attend


def _training(settings: Settings, act: Callable[[], object]) -> dict[str, Any]:
    try:
        seconds = seconds_per_act(act, settings)
        used = peak_memory(act, settings)
    except Exception as error:  # too little memory
        return {"error": problem(error)}
    return {"milliseconds": 1e3 * seconds, "mebibytes": used.get("peak"), "before": used.get("before"), "error": ""}


def lsnet_phases(settings: Settings, precision: str) -> dict[str, Callable[[], object]]:
    """Return a training step of each of LSNet's phases by name."""
    import torch

    from medsynth.api import Setup
    from medsynth.plugins import Registry
    from medsynth.training.config import TrainingConfig
    from medsynth.training.devices import make_policy

    size, batch = (64, 2) if settings.tiny else (LSNET_SIZE, LSNET_BATCH)
    torch.manual_seed(0)
    registry = Registry()
    spec = registry.load("classifier", "lsnet")
    setup = Setup(channels=LSNET_CHANNELS, size=(size, size), device=settings.device)
    model = registry.create(spec, spec.config(batch_size=batch, **settings.lsnet), setup)
    policy = make_policy(settings.device, TrainingConfig(precision=precision), size)
    images = torch.rand(batch, LSNET_CHANNELS, size, size, device=settings.device) * 2 - 1
    given = {"image": images, "label": torch.arange(batch, device=settings.device) % 2}

    def act(phase: Any) -> None:
        with policy.autocast():
            phase.step(HALFWAY, given)

    found = {}
    for phase in model.phases():
        for item in phase.state.values():
            if isinstance(item, torch.nn.Module):
                policy.apply(item.train())
        found[phase.name] = lambda phase=phase: act(phase)
    return found
