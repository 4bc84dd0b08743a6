"""Training of SG-CycleGAN. a = source, b = target; M is the shared extractor.

Where the paper leaves something open, README.md says what is done here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.adversarial.discriminators import Discriminators
from medsynth.adversarial.initialization import initialize_normal
from medsynth.adversarial.objectives import absolute_error
from medsynth.adversarial.regularizers import regularizer_weights, regularizers
from medsynth.adversarial.updating import adversarial_adam, frozen
from medsynth.api import Phase, Setup, learning_rate_schedule, progress
from medsynth.networks.patchgan import PatchGan
from medsynth_sg_cyclegan import SgCycleGanConfig
from medsynth_sg_cyclegan.network import DomainClassifier, Translator, reversal_strength, reverse_gradient


class Forward(NamedTuple):
    """What a step computes before any loss; images are (B, C, H, W), features (B, F, H, W)."""

    features_a: Tensor
    """M of real source images."""
    features_b: Tensor
    """M of real target images."""
    fake_a: Tensor
    fake_b: Tensor
    same_a: Tensor | None
    """Source images through target -> source, for the identity term; None where its weight is 0."""
    same_b: Tensor | None


class SgCycleGan:
    """Two translators with one shared extractor against two discriminators and a domain classifier.

    Args:
        config: the plugin's options.
        setup: what the core says about images and device.
    """

    def __init__(self, config: SgCycleGanConfig, setup: Setup) -> None:
        self.config = config
        self.weights = {
            "cycle": config.cycle_weight,
            "feature": config.feature_weight,
            "identity": config.identity_weight,
            "domain": config.domain_weight,
            **regularizer_weights(config),
        }
        self.translator_ab = self._translator(setup.channels)
        self.translator_ba = self._translator(setup.channels, extractor=self.translator_ab.extractor)
        self.classifier = DomainClassifier(config.features, width=config.classifier_width)
        discriminators = [self._discriminator(setup.channels) for _ in range(2)]
        for network in (self.translator_ab, self.translator_ba.branch, self.classifier, *discriminators):
            initialize_normal(network)
        for network in (self.translator_ab, self.translator_ba, self.classifier, *discriminators):
            network.to(setup.device)
        self.extractor = self.translator_ab.extractor
        self.branch_ab, self.branch_ba = self.translator_ab.branch, self.translator_ba.branch
        rate = config.learning_rate
        self.discriminators = Discriminators(
            *discriminators, objective=config.adversarial, config=config, pool_size=config.pool_size
        )
        generating = (self.extractor, self.branch_ab, self.branch_ba)
        self.optimizer = adversarial_adam([p for network in generating for p in network.parameters()], rate)
        self.classifier_optimizer = adversarial_adam(self.classifier.parameters(), rate)

    def phases(self) -> Sequence[Phase]:
        """Return the one phase, on unpaired images."""
        config = self.config
        return [
            Phase(
                name="translation",
                data="unpaired",
                epochs=config.epochs,
                epoch_steps=config.epoch_steps,
                batch_size=config.batch_size,
                step=self._step,
                state={
                    "extractor": self.extractor,
                    "branch_ab": self.branch_ab,
                    "branch_ba": self.branch_ba,
                    "classifier": self.classifier,
                    **self.discriminators.state(),
                },
                optimizers={
                    "generators": self.optimizer,
                    "classifier": self.classifier_optimizer,
                    "discriminators": self.discriminators.optimizer,
                },
                schedule=learning_rate_schedule(config),
            )
        ]

    def translate(self, images: Tensor) -> Tensor:
        """Translate (B, C, H, W) source images in [-1, 1] to target images."""
        translated: Tensor = self.translator_ab(images)
        return translated

    def networks(self) -> Mapping[str, nn.Module]:
        """Return all networks, the source -> target translator first; both translators hold the one extractor."""
        return {
            "translator_ab": self.translator_ab,
            "translator_ba": self.translator_ba,
            "classifier": self.classifier,
            **self.discriminators.networks(),
        }

    def forward(self, source: Tensor, target: Tensor) -> Forward:
        """Extract and translate both batches; one pass per network, as instance norm treats every image alone."""
        features_a, features_b = self.extractor(torch.cat([source, target])).chunk(2)
        if not self.weights["identity"]:
            fake_a, fake_b = self.branch_ba(features_b), self.branch_ab(features_a)
            return Forward(features_a, features_b, fake_a, fake_b, None, None)
        fake_b, same_b = self.branch_ab(torch.cat([features_a, features_b])).chunk(2)
        fake_a, same_a = self.branch_ba(torch.cat([features_b, features_a])).chunk(2)
        return Forward(features_a, features_b, fake_a, fake_b, same_a, same_b)

    def update_generators(self, source: Tensor, target: Tensor, made: Forward, *, strength: float) -> dict[str, Tensor]:
        """Train extractor, branches and classifier for one step; return the unweighted terms and what to watch.

        One backward pass serves all: behind the reversal the classifier receives its ordinary gradient.
        """
        with frozen(self.discriminators.a, self.discriminators.b):
            terms = self.discriminators.judge(fake_a=made.fake_a, fake_b=made.fake_b)
            terms |= self._reconstruction_terms(source, target, made)
            terms |= regularizers(self.config, source=source, target=target, fake_a=made.fake_a, fake_b=made.fake_b)
            watched = {"feature_variance": _variance(made)}
            if self.weights["domain"]:
                terms["domain"], watched["domain_accuracy"] = self._domain_term(made, strength)
            total = torch.stack([self.weights.get(name.partition("_")[0], 1.0) * term for name, term in terms.items()])
            self.optimizer.zero_grad(set_to_none=True)
            self.classifier_optimizer.zero_grad(set_to_none=True)
            total.sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.classifier_optimizer.step()
        return {name: term.detach() for name, term in terms.items()} | watched

    def _step(self, engine: Any, batch: Mapping[str, Tensor]) -> dict[str, Any]:
        source, target = batch["source"], batch["target"]
        strength = reversal_strength(progress(engine), rate=self.config.reversal_rate)
        made = self.forward(source, target)
        judged: dict[str, Tensor] = {}
        if self.config.order == "discriminators-first":
            judged = self._update_discriminators(source, target, made)
        losses = self.update_generators(source, target, made, strength=strength)
        return losses | (judged or self._update_discriminators(source, target, made)) | {"reversal": strength}

    def _update_discriminators(self, source: Tensor, target: Tensor, made: Forward) -> dict[str, Tensor]:
        return self.discriminators.update(real_a=source, real_b=target, fake_a=made.fake_a, fake_b=made.fake_b)

    def _reconstruction_terms(self, source: Tensor, target: Tensor, made: Forward) -> dict[str, Tensor]:
        """Return identity, feature and cycle terms; the last two share the extractor's pass over the fakes."""
        terms: dict[str, Tensor] = {}
        if made.same_a is not None and made.same_b is not None:
            terms["identity_a"] = absolute_error(made.same_a, source)
            terms["identity_b"] = absolute_error(made.same_b, target)
        if not (self.weights["cycle"] or self.weights["feature"]):
            return terms
        of_fake_a, of_fake_b = self.extractor(torch.cat([made.fake_a, made.fake_b])).chunk(2)
        if self.weights["feature"]:
            detach = self.config.detach_features
            real_a, real_b = (f.detach() if detach else f for f in (made.features_a, made.features_b))
            terms["feature_a"] = absolute_error(of_fake_b, real_a)
            terms["feature_b"] = absolute_error(of_fake_a, real_b)
        if self.weights["cycle"]:
            terms["cycle_a"] = absolute_error(self.branch_ba(of_fake_b), source)
            terms["cycle_b"] = absolute_error(self.branch_ab(of_fake_a), target)
        return terms

    def _domain_term(self, made: Forward, strength: float) -> tuple[Tensor, Tensor]:
        """Return the classifier's cross-entropy, mean of both domains' means, and its accuracy."""
        features = reverse_gradient(torch.cat([made.features_a, made.features_b]), strength)
        on_a, on_b = self.classifier(features).float().chunk(2)
        accuracy = torch.cat([on_a <= 0, on_b > 0]).float().mean()
        return 0.5 * (F.softplus(on_a).mean() + F.softplus(-on_b).mean()), accuracy

    def _translator(self, channels: int, extractor: nn.Module | None = None) -> Translator:
        config = self.config
        return Translator(
            channels,
            width=config.width,
            features=config.features,
            extractor_levels=config.extractor_levels,
            branch_levels=config.branch_levels,
            blocks=config.blocks,
            dilation=config.dilation,
            mode=config.upsampling,
            kernel=config.sampling_kernel,
            region_convolution=config.region_convolution,
            stretch=config.stretch,
            ends=config.ends,
            normalized=config.normalized,
            coordinates=config.coordinates,
            skips=config.skips,
            extractor=extractor,
        )

    def _discriminator(self, channels: int) -> PatchGan:
        config = self.config
        return PatchGan(
            channels,
            width=config.discriminator_width,
            levels=config.discriminator_levels,
            narrowing=config.discriminator_narrowing,
            average=config.discriminator_average,
        )


def _variance(made: Forward) -> Tensor:
    """Return the variance of the features within a domain, mean of all channels: near 0 when they have collapsed."""
    both = torch.stack([made.features_a, made.features_b]).detach().float()
    return both.var(dim=(1, 3, 4)).mean()
