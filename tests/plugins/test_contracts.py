"""The plugin contract, run for every built-in plugin."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from medsynth.plugins import DISTRIBUTION, Registry
from medsynth.testing import (
    ClassifierContract,
    EvaluatorContract,
    ExtractorContract,
    GeneratorContract,
    PluginContract,
    noise_evidence,
)

OPTIONS = {
    "coordinates": True,
    "discriminator_flood": 0.2,
    "discriminator_noise": 0.05,
    "ends": 3,
    "information_weight": 0.1,
    "r1_weight": 0.1,
    "texture_weight": 0.1,
}
"""What every generator offers beyond its paper; the contract holds with all of it switched on."""


class TestCycleGAN(GeneratorContract):
    name = "cyclegan"
    small: ClassVar = {**OPTIONS, "levels": 1, "width": 4, "blocks": 1, "discriminator_width": 4}


class TestDCLGAN(GeneratorContract):
    name = "dclgan"
    small: ClassVar = {
        **OPTIONS,
        "levels": 1,
        "width": 4,
        "blocks": 1,
        "taps": ["down_1", "block_1"],
        "patches": 16,
        "projection_width": 8,
        "discriminator_width": 4,
        "similarity_weight": 1.0,
    }


class TestSGCycleGAN(GeneratorContract):
    name = "sg-cyclegan"
    small: ClassVar = {
        **OPTIONS,
        "width": 4,
        "blocks": 1,
        "discriminator_width": 4,
        "classifier_width": 4,
        "features": 4,
    }


class TestUNIT(GeneratorContract):
    name = "unit"
    size = 64
    small: ClassVar = {**OPTIONS, "levels": 1, "width": 4, "blocks": 1, "discriminator_width": 4}


class TestMUNIT(GeneratorContract):
    name = "munit"
    size = 64
    small: ClassVar = {
        **OPTIONS,
        "levels": 1,
        "width": 4,
        "blocks": 1,
        "style_hidden": 8,
        "discriminator_width": 4,
    }


class TestMobileNetV2(ClassifierContract):
    name = "mobilenet-v2"
    small: ClassVar = {"width": 0.1, "hidden": 8}


class TestEfficientNet(ClassifierContract):
    name = "efficientnet"
    small: ClassVar = {"width": 0.2, "depth": 0.5, "last": 16, "hidden": 8}


class TestMobileViT(ClassifierContract):
    name = "mobilevit"
    size = 64
    small: ClassVar = {"width": 0.25, "token_width": 0.5, "expansion": 1}


class TestLSNet(ClassifierContract):
    name = "lsnet"
    size = 64
    small: ClassVar = {"student_width": 0.2, "teacher_width": 0.1, "heads": 2, "teacher_epochs": 1}


class TestDiagnostic(EvaluatorContract):
    name = "diagnostic"


class TestEfficiency(EvaluatorContract):
    name = "efficiency"


class TestImageQuality(EvaluatorContract):
    name = "image-quality"


class TestPrivacy(EvaluatorContract):
    name = "privacy"


class TestReaders(EvaluatorContract):
    name = "readers"

    @pytest.fixture(autouse=True)
    def _decided(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cases = [f"A,{name},{index % 3 % 2}" for index, name in enumerate(noise_evidence().real.names)]
        (tmp_path / "readers.csv").write_text("\n".join(["reader,case,decision", *cases]))
        monkeypatch.setattr(type(self), "small", {"path": str(tmp_path / "readers.csv")})


class TestScreening(EvaluatorContract):
    name = "screening"


class TestStructure(EvaluatorContract):
    name = "structure"


class TestEfficientNetLite0(ExtractorContract):
    name = "efficientnet-lite0"


@pytest.mark.parametrize("kind", ["generator", "classifier", "evaluator", "extractor"])
def test_every_built_in_plugin_has_a_contract_here(kind: str) -> None:
    covered = {(test.kind, test.name) for test in vars_of_tests()}
    built_in = {(r.kind, r.name) for r in Registry().found if r.kind == kind and r.distribution == DISTRIBUTION}
    assert built_in <= covered


def vars_of_tests() -> list[type[PluginContract]]:
    return [value for key, value in globals().items() if key.startswith("Test")]
