"""Contract tests for plugin authors: subclass one of these, fill in a few values, run pytest.

``medsynth plugins check NAME`` runs the same without pytest.

Examples:
    >>> class TestMyGenerator(GeneratorContract):
    ...     name = "my-generator"
    ...     small = {"width": 4}
"""

from medsynth.testing.contracts import (
    ClassifierContract,
    EvaluatorContract,
    ExtractorContract,
    GeneratorContract,
    PluginContract,
)
from medsynth.testing.noise import RandomBatches, noise_evidence

__all__ = [
    "ClassifierContract",
    "EvaluatorContract",
    "ExtractorContract",
    "GeneratorContract",
    "PluginContract",
    "RandomBatches",
    "noise_evidence",
]
