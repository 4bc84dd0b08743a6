"""`benchmarks/gpu_check.py` so small that a CPU is done in seconds: every part works and the page says it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Import = Callable[[str], ModuleType]
FOUND: dict[str, list[dict[str, Any]]] = {
    name: [] for name in ("steps", "memory", "standard", "resume", "ahead", "compiled")
}


@pytest.fixture
def settings(benchmark_module: Import, tmp_path: Path) -> Any:
    return benchmark_module("gpu_settings").Settings(tmp_path, device="cpu", tiny=True)


def shown(benchmark_module: Import, **found: list[dict[str, Any]]) -> str:
    content = {"machine": {"device": "cpu"}, "size": 32, "batch": 1, "parts": {}, "found": FOUND | found}
    return benchmark_module("gpu_page").page(json.loads(json.dumps(content)))


def test_a_step_is_measured_in_every_form_and_what_fails_or_lacks_is_said(
    benchmark_module: Import, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def fail(_: torch.nn.Module) -> None:
        raise RuntimeError("no compiler\nat all")

    monkeypatch.setattr(torch.nn.Module, "compile", fail)
    steps = benchmark_module("gpu_steps")
    steps.steps(settings, generators=["cyclegan"])
    steps.steps(settings, steps.COMPILED, "compiled", ["cyclegan"])
    peaks, *rows = settings.found("steps")
    assert set(peaks["peaks"]) == {"fp32", "bf16"}
    assert [row["form"] for row in rows] == ["plain fp32", "fp32", "bf16"]
    for row in rows:
        assert row["error"] == ""
        assert row["images_per_second"] == pytest.approx(2e3 / row["milliseconds"])
        assert row["share"] == pytest.approx(row["teraflops"] * 1e12 / peaks["peaks"][row["form"].split()[-1]])
    assert settings.found("compiled")[1]["error"] == "RuntimeError: no compiler"
    text = shown(benchmark_module, steps=settings.found("steps"), compiled=settings.found("compiled"))
    assert "| cyclegan | plain fp32 |" in text
    assert "| cyclegan | bf16 + compile | RuntimeError: no compiler |" in text
    assert "| cyclegan | bf16 + compile | not reached |" in shown(benchmark_module, steps=settings.found("steps"))


def test_lsnets_training_is_measured_with_both_forms_of_attention(benchmark_module: Import, settings: Any) -> None:
    benchmark_module("gpu_steps").memory(settings, ["fp32"])
    rows = settings.found("memory")
    assert [(row["attention"], row["phase"], row["error"]) for row in rows] == [
        (attention, phase, "") for attention in ("direct", "repeated") for phase in ("pretrain", "finetune")
    ]
    assert "| finetune | fp32 | repeated |" in shown(benchmark_module, memory=rows)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_training_is_killed_continued_and_compared(benchmark_module: Import, settings: Any) -> None:
    resume = benchmark_module("gpu_resume")
    resume.resume(settings, modes=[False], stages=["generator"])
    (row,) = settings.found("resume")
    # On a CPU with one thread the promise is exactness.
    assert row == {"repeatable": False, "stage": "generator", "repeat": 0.0, "resumed": 0.0, "passed": True}
    assert "equal bit for bit" in shown(benchmark_module, resume=[row])
    assert resume.passed(repeat=1e-6, resumed=9e-6)
    assert not resume.passed(repeat=1e-6, resumed=2e-5)
    assert not resume.passed(repeat=0.0, resumed=1e-9)


def test_epochs_of_the_standard_run_are_shortened_alike_until_they_fit(benchmark_module: Import, settings: Any) -> None:
    standard = benchmark_module("gpu_standard")
    plan = standard.make(settings)
    rates = standard.measure(plan, settings)
    assert all(rate > 0 for rate in rates.values())
    whole = standard.preset_epochs(plan)
    rates = {"generator adversarial": 1.0, "classifier pretrain": 0.1, "classifier finetune": 0.1}
    counts = list(whole.values())
    rows = 1 + len(plan.training.baselines)
    needed = 4 * (counts[0] + 0.1 * rows * (counts[1] + counts[2]))
    assert standard.epochs_that_fit(plan, rates, 2 * needed) == whole
    half = standard.epochs_that_fit(plan, rates, needed / 2)
    assert list(half.values()) == [max(1, count // 2) for count in counts]
    assert set(standard.epochs_that_fit(plan, rates, -5.0).values()) == {1}


def test_what_became_of_the_standard_run_is_read_from_its_folder(
    benchmark_module: Import, settings: Any, tmp_path: Path
) -> None:
    standard = benchmark_module("gpu_standard")
    assert standard.outcome(tmp_path / "nothing") == {"stages": {}, "scores": {}, "warnings": []}
    (tmp_path / "run.json").write_text(
        json.dumps({"stages": {"data": {"seconds": 3.2}}, "warnings": [{"text": "look"}]})
    )
    score = {"evaluator": "image-quality", "name": "kid", "subject": "synthetic", "value": 0.123, "low": None}
    (tmp_path / "scores.json").write_text(json.dumps({"scores": [score]}))
    found = standard.outcome(tmp_path)
    assert found["scores"]["KID"] == "0.123"
    first = {"epochs": {"generator.epochs": 3}, "preset": {"generator.epochs": 40}}
    text = shown(benchmark_module, standard=[first, {"code": 0, **found}])
    assert "generator.epochs 3 of 40" in text
    assert "| KID | 0.123 |" in text
    assert "- look" in text
    assert "did not come to an end" in shown(benchmark_module, standard=[first])


def test_a_part_is_ended_at_its_limit_and_one_that_fails_is_told(benchmark_module: Import, tmp_path: Path) -> None:
    check = benchmark_module("gpu_check")
    slow = check.start("slow", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
    bad = check.start("bad", [sys.executable, "-c", "raise SystemExit('broken')"], tmp_path)
    assert bad.end(60.0)["state"] == "failed: broken"
    assert slow.end(0.1)["state"] == "cut after 0 s"
    assert slow.process.returncode < 0


def test_the_check_writes_a_page_and_its_status_is_that_of_its_parts(
    benchmark_module: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check, asked = benchmark_module("gpu_check"), []

    class Part:
        since = 0.0

        def end(self, limit: float) -> dict[str, Any]:
            asked.append(limit)
            return {"seconds": 1.0, "state": state}

    monkeypatch.setattr(check, "start", lambda name, command, folder: Part())
    for state, status in (("finished", 0), ("cut after 80 s", 0), ("failed: broken", 1)):
        assert check.main(["--tiny", "--out", str(tmp_path)]) == status
        content = json.loads((tmp_path / "gpu.json").read_text())
        assert list(content["parts"]) == list(content["found"]) == list(check.PARTS)
        assert capsys.readouterr().out.rstrip() == (tmp_path / "gpu.md").read_text().rstrip()
        assert f"| memory | 1 | {state} |" in (tmp_path / "gpu.md").read_text()


def test_without_a_gpu_nothing_is_measured_or_written(
    benchmark_module: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert benchmark_module("gpu_check").main(["--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
