"""The page that `gpu_check.py` writes: what was measured, and what was cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]
FORMS = ("plain fp32", "fp32", "bf16", "bf16 + compile")


def page(content: Mapping[str, Any]) -> str:
    """Return the Markdown of a check's content, which is what its JSON holds."""
    machine, found = content["machine"], content["found"]
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    blocks = [
        "# On a GPU",
        "    make gpu-check",
        f"{facts}.",
        *_parts(content["parts"]),
        *_steps(content["size"], content["batch"], [*found["steps"], *found["compiled"]]),
        *_memory(found["memory"]),
        *_standard(found["standard"]),
        *_resume(found["resume"]),
    ]
    return "\n\n".join(blocks) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table whose first column holds names."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def number(value: float | None, form: str = "{:.3g}") -> str:
    """Return a number as text, ``-`` where there is none."""
    return "-" if value is None else form.format(value)


def _parts(parts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = [[name, number(part["seconds"], "{:.0f}"), part["state"]] for name, part in parts.items()]
    return [
        "Each part has a limit of time and is ended there; what it had found by then counts.",
        table(["part", "seconds", "state"], rows),
    ]


def _steps(size: int, batch: int, rows: Rows) -> list[str]:
    peaks = next((row["peaks"] for row in rows if "peaks" in row), {})
    measured = {(row["generator"], row["form"]): row for row in rows if "generator" in row}
    lines = []
    for generator in dict.fromkeys(name for name, _ in measured):
        plain = measured.get((generator, FORMS[0]), {}).get("milliseconds")
        for form in FORMS:
            row = measured.get((generator, form), {"error": "not reached"})
            if row["error"]:
                lines.append([generator, form, row["error"], *["-"] * 5])
                continue
            faster = plain / row["milliseconds"] if plain else None
            lines.append(
                [generator, form, number(row["milliseconds"]), number(faster, "{:.2f}"),
                 number(row["images_per_second"]), number(row["teraflops"]), number(100 * row["share"], "{:.0f} %"),
                 number(row["mebibytes"], "{:.0f}")]
            )  # fmt: skip
    header = ["generator", "form", "ms", "times plain", "images/s", "TFLOP/s", "of peak", "peak MiB"]
    attained = ", ".join(f"{name} {rate / 1e12:.3g} TFLOP/s" for name, rate in peaks.items())
    return [
        "## Training steps of the generators",
        f"{size} x {size} pixels, batches of {batch} per domain, default networks. `plain` is the step as published "
        "code has it, in fp32 ([how it is compared](train-step.md)); the others are medsynth's. Peak: what a large "
        f"matrix product attains here in the same precision ({attained}); in fp32 both it and PyTorch's convolutions "
        "use TensorFloat-32.",
        table(header, lines),
    ]


def _memory(rows: Rows) -> list[str]:
    header = ["phase", "precision", "attention", "ms", "peak MiB", "of these held before the step"]
    lines = [
        [row["phase"], row["precision"], row["attention"], row["error"] or number(row["milliseconds"]),
         number(row.get("mebibytes"), "{:.0f}"), number(row.get("before"), "{:.0f}")]
        for row in rows
    ]  # fmt: skip
    return [
        "## LSNet's training memory",
        "320 x 320 pixels, three channels, batch 4, teacher and student with their optimizers. `direct` is medsynth's "
        "attention, `repeated` repeats keys and values for every query before it gathers the chosen ones.",
        table(header, lines),
    ]


def _standard(rows: Rows) -> list[str]:
    blocks = ["## A run of the preset `standard`, cut to six minutes"]
    if not rows:
        return [*blocks, "Not reached."]
    first, last = rows[0], rows[-1]
    epochs = ", ".join(f"{name} {count} of {first['preset'][name]}" for name, count in first["epochs"].items())
    blocks.append(f"On the phantom, while other parts ran beside it. Epochs were shortened so that it fits: {epochs}.")
    if "code" not in last:
        return [*blocks, "It did not come to an end."]
    if last["scores"]:
        blocks.append(table(["score", "value (95 % interval)"], last["scores"].items()))
    else:
        blocks.append(f"It was ended before its scores were there (exit code {last['code']}).")
    stages = ", ".join(f"{name} {number(seconds, '{:.0f}')} s" for name, seconds in last["stages"].items())
    return [*blocks, f"Stages: {stages}.", *(f"- {warning}" for warning in last["warnings"])]


def _resume(rows: Rows) -> list[str]:
    def told(value: float) -> str:
        return "equal bit for bit" if value == 0 else f"{value:.1e}"

    lines = [
        [row["stage"], "fixed" if row["repeatable"] else "as it comes", told(row["repeat"]), told(row["resumed"]),
         "yes" if row["passed"] else "NO"]
        for row in rows
    ]  # fmt: skip
    return [
        "## Killed and continued",
        "SG-CycleGAN and LSNet, killed by SIGKILL in the second epoch and continued, against a training without a "
        "kill: the largest relative difference of a weight tensor. A GPU adds up in no fixed order, so that the same "
        "command twice differs too; a continued training may differ up to ten times as much. With fixed orders "
        "(`torch.use_deterministic_algorithms`) both are equal as far as PyTorch has such algorithms, as on a CPU.",
        table(
            ["training", "order of sums", "same command twice", "killed and continued", "within what is allowed"], lines
        ),
    ]
