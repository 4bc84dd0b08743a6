"""Everything a plugin author imports: hook marker, specs, configs, contracts.

Importing this module never imports torch, MONAI or NumPy, so that plugins can be listed, shown and
configured at once. Heavy imports belong into the module that a spec's ``factory`` names.

Letters used in shapes: B batch, C channels, H height, W width, N number of images. Images are float32
in [-1, 1]; the first spatial axis runs down (rows), the second to the right (columns).
"""

from medsynth.api.configs import (
    AdversarialConfig,
    ClassifierConfig,
    EvaluatorConfig,
    ExtractorConfig,
    GeneratorConfig,
    TranslatorConfig,
    option,
)
from medsynth.api.evidence import Evaluator, Evidence, Extractor, ImageSet, Predictions, Score, Subject
from medsynth.api.models import Classifier, Generator, Inspectable, Inspection, Setup, TwoWay, exported, returning
from medsynth.api.observing import Result, RunInfo, Section, StageInfo
from medsynth.api.phases import Phase, Stateful, Step
from medsynth.api.schedules import (
    constant,
    constant_then_cosine,
    constant_then_linear,
    halving,
    learning_rate_schedule,
    progress,
    warmup_then_cosine,
)
from medsynth.api.specs import (
    API,
    Assumptions,
    ClassifierSpec,
    EvaluatorSpec,
    ExtractorSpec,
    GeneratorSpec,
    Kind,
    Spec,
    hookimpl,
)

__all__ = [
    "API",
    "AdversarialConfig",
    "Assumptions",
    "Classifier",
    "ClassifierConfig",
    "ClassifierSpec",
    "Evaluator",
    "EvaluatorConfig",
    "EvaluatorSpec",
    "Evidence",
    "Extractor",
    "ExtractorConfig",
    "ExtractorSpec",
    "Generator",
    "GeneratorConfig",
    "GeneratorSpec",
    "ImageSet",
    "Inspectable",
    "Inspection",
    "Kind",
    "Phase",
    "Predictions",
    "Result",
    "RunInfo",
    "Score",
    "Section",
    "Setup",
    "Spec",
    "StageInfo",
    "Stateful",
    "Step",
    "Subject",
    "TranslatorConfig",
    "TwoWay",
    "constant",
    "constant_then_cosine",
    "constant_then_linear",
    "exported",
    "halving",
    "hookimpl",
    "learning_rate_schedule",
    "option",
    "progress",
    "returning",
    "warmup_then_cosine",
]
