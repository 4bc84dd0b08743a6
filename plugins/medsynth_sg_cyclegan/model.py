"""Training of SG-CycleGAN. a = source, b = target; M is the shared extractor.

Where the paper leaves something open, README.md says what is done here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.adversarial.initialization import initialize_normal
from medsynth.adversarial.objectives import absolute_error
from medsynth.adversarial.unpaired import Forward, UnpairedGenerator
from medsynth.api import Setup, progress
from medsynth.base.configuration import options_for
from medsynth.networks.patchgan import PatchGan
from medsynth_sg_cyclegan import SgCycleGanConfig
from medsynth_sg_cyclegan.network import DomainClassifier, Translator, reversal_strength, reverse_gradient

if TYPE_CHECKING:
    from ignite.engine import Engine


class SgCycleGan(UnpairedGenerator):
    """Two translators with one shared extractor against two discriminators and a domain classifier.

    Args:
        config: the plugin's options.
        setup: what the core says about images and device.

    Attributes:
        strength: of the gradient reversal in front of the domain classifier.
    """

    config: SgCycleGanConfig
    judged_first = True

    def __init__(self, config: SgCycleGanConfig, setup: Setup) -> None:
        self.config, self.strength = config, 0.0
        self.discriminators_first = config.order == "discriminators-first"
        self.translator_ab = self._translator(setup.channels)
        self.translator_ba = self._translator(setup.channels, extractor=self.translator_ab.extractor)
        self.classifier = DomainClassifier(config.features, width=config.classifier_width)
        discriminators = [self._discriminator(setup.channels) for _ in range(2)]
        for network in (self.translator_ab, self.translator_ba.branch, self.classifier, *discriminators):
            initialize_normal(network)
        self.extractor = self.translator_ab.extractor
        self.branch_ab, self.branch_ba = self.translator_ab.branch, self.translator_ba.branch
        super().__init__(
            config,
            setup,
            generators={"translator_ab": self.translator_ab, "translator_ba": self.translator_ba},
            discriminators=discriminators,
            helpers={"classifier": self.classifier},
            parts={"extractor": self.extractor, "branch_ab": self.branch_ab, "branch_ba": self.branch_ba},
        )

    def step(self, engine: Engine, batch: Mapping[str, Tensor]) -> dict[str, Any]:
        """Train all networks on a batch, the reversal as strong as the progress of training asks for."""
        self.strength = reversal_strength(progress(engine), rate=self.config.reversal_rate)
        return super().step(engine, batch) | {"reversal": self.strength}

    def forward(self, source: Tensor, target: Tensor) -> Forward:
        """Extract and translate both batches; one pass per network, as instance norm treats every image alone."""
        made = Forward(source=source, target=target)
        features_a, features_b = made.features_a, made.features_b = self.extractor(torch.cat([source, target])).chunk(2)
        if self.weights["identity"]:
            made.fake_b, made.same_b = self.branch_ab(torch.cat([features_a, features_b])).chunk(2)
            made.fake_a, made.same_a = self.branch_ba(torch.cat([features_b, features_a])).chunk(2)
        else:
            made.fake_a, made.fake_b = self.branch_ba(features_b), self.branch_ab(features_a)
        made.watched["feature_variance"] = _variance(made)
        return made

    def terms(self, made: Forward) -> dict[str, Tensor]:
        """Return feature, cycle and domain terms.

        One backward pass serves all: behind the reversal the classifier receives its ordinary gradient.
        """
        terms: dict[str, Tensor] = {}
        if self.weights["cycle"] or self.weights["feature"]:
            terms |= self._consistency_terms(made)
        if self.weights["domain"]:
            terms["domain"], made.watched["domain_accuracy"] = self._domain_term(made)
        return terms

    def _consistency_terms(self, made: Forward) -> dict[str, Tensor]:
        """Return feature and cycle terms, which share the extractor's pass over the fakes."""
        terms: dict[str, Tensor] = {}
        of_fake_a, of_fake_b = self.extractor(torch.cat([made.fake_a, made.fake_b])).chunk(2)
        if self.weights["feature"]:
            detach = self.config.detach_features
            real_a, real_b = (f.detach() if detach else f for f in (made.features_a, made.features_b))
            terms["feature_a"] = absolute_error(of_fake_b, real_a)
            terms["feature_b"] = absolute_error(of_fake_a, real_b)
        if self.weights["cycle"]:
            terms["cycle_a"] = absolute_error(self.branch_ba(of_fake_b), made.source)
            terms["cycle_b"] = absolute_error(self.branch_ab(of_fake_a), made.target)
        return terms

    def _domain_term(self, made: Forward) -> tuple[Tensor, Tensor]:
        """Return the classifier's cross-entropy, mean of both domains' means, and its accuracy."""
        features = reverse_gradient(torch.cat([made.features_a, made.features_b]), self.strength)
        on_a, on_b = self.classifier(features).float().chunk(2)
        accuracy = torch.cat([on_a <= 0, on_b > 0]).float().mean()
        return 0.5 * (F.softplus(on_a).mean() + F.softplus(-on_b).mean()), accuracy

    def _translator(self, channels: int, extractor: nn.Module | None = None) -> Translator:
        own = options_for(self.config, Translator)
        mode, kernel = self.config.upsampling, self.config.sampling_kernel
        return Translator(channels, mode=mode, kernel=kernel, extractor=extractor, **own)

    def _discriminator(self, channels: int) -> PatchGan:
        return PatchGan(channels, **options_for(self.config, PatchGan, "discriminator_"))


def _variance(made: Forward) -> Tensor:
    """Return the variance of the features within a domain, mean of all channels: near 0 when they have collapsed."""
    both = torch.stack([made.features_a, made.features_b]).detach().float()
    return both.var(dim=(1, 3, 4)).mean()
