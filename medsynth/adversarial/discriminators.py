"""The discriminators' side of a step of adversarial training of two domains.

a is the source domain, b the target domain. Logits have any shape, positive = judged real. Means are float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from medsynth.adversarial.augmentation import differentiable_augmentation
from medsynth.adversarial.image_pool import ImagePool
from medsynth.adversarial.objectives import (
    GUESSING,
    discriminator_objective,
    generator_objective,
    gradient_penalty,
    scales,
)
from medsynth.adversarial.updating import adversarial_adam

if TYPE_CHECKING:
    from medsynth.api import AdversarialConfig


class Discriminators:
    """The discriminators of both domains, or of the target alone, with their replay pools and one Adam.

    Torch's global generator seeds the pools.

    Args:
        networks: the one that judges source images, and the one that judges target images; or the latter alone. On
            their device already. They return logits, or a list of logits with one entry per scale.
        config: objective (see `generator_objective`; summed over scales), learning rate, pools, and which of the
            stabilizing terms are on: R1, spectral norm, augmentation, noise, flooding.
        halved: take half the sum of the losses on real and generated images, as CycleGAN does, not the sum.
    """

    def __init__(self, *networks: nn.Module, config: AdversarialConfig, halved: bool = True) -> None:
        self.by_domain = dict(zip("ab"[-len(networks) :], networks, strict=True))
        self.a, self.b = self.by_domain.get("a"), self.by_domain["b"]
        self.config, self.objective = config, config.adversarial
        self.factor = 1.0 if halved else 2.0
        if config.spectral_norm:
            for layer in (one for network in networks for one in network.modules() if isinstance(one, nn.Conv2d)):
                spectral_norm(layer)
        # On the CPU, so that networks can be counted on the meta device, which holds no numbers.
        seeds = {domain: int(torch.randint(2**62, (), device="cpu")) for domain in "ab"}
        self.pools = {domain: ImagePool(config.pool_size, seed=seeds[domain]) for domain in self.by_domain}
        parameters = [parameter for network in networks for parameter in network.parameters()]
        self.optimizer = adversarial_adam(parameters, config.learning_rate, weight_decay=config.weight_decay)

    def networks(self) -> dict[str, nn.Module]:
        """Return the networks by name."""
        return {f"discriminator_{domain}": network for domain, network in self.by_domain.items()}

    def state(self) -> dict[str, Any]:
        """Return everything a checkpoint has to hold, by name; the optimizer is not among it."""
        return {**self.networks(), **{f"pool_{domain}": pool for domain, pool in self.pools.items()}}

    def judge(self, *, fake_a: Tensor | None, fake_b: Tensor | None) -> dict[str, Tensor]:
        """Return the generators' adversarial terms; call it inside `frozen`."""
        fakes = {"b": ("adversarial_ab", fake_b), "a": ("adversarial_ba", fake_a)}
        judged = {
            name: self.by_domain[domain](self._shown(fake))
            for domain, (name, fake) in fakes.items()
            if domain in self.by_domain and fake is not None
        }
        return {
            name: torch.stack([generator_objective(scale, self.objective) for scale in scales(logits)]).sum()
            for name, logits in judged.items()
        }

    def update(
        self, *, real_a: Tensor, real_b: Tensor, fake_a: Tensor | None, fake_b: Tensor | None
    ) -> dict[str, Tensor]:
        """Train the networks for one step on real images and on generated ones from the pools; return their losses."""
        real, fakes = {"a": real_a, "b": real_b}, {"a": fake_a, "b": fake_b}
        shown = {domain: fake for domain, fake in fakes.items() if domain in self.by_domain and fake is not None}
        by_scale = {
            f"discriminator_{domain}": self._losses(
                self.by_domain[domain], real[domain], self.pools[domain].query(fake)
            )
            for domain, fake in shown.items()
        }
        losses = {name: scale.sum() for name, scale in by_scale.items()}
        total = self._flooded(torch.cat(list(by_scale.values()))).sum()
        if self.config.r1_weight:
            penalties = {f"r1_{domain}": gradient_penalty(self.by_domain[domain], real[domain]) for domain in shown}
            losses |= penalties
            total = total + self.config.r1_weight / 2 * torch.stack(list(penalties.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        self.optimizer.step()
        # Empty again, so that memory is free and nothing leaks into a later step.
        self.optimizer.zero_grad(set_to_none=True)
        return {name: loss.detach() for name, loss in losses.items()}

    def _losses(self, network: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """Return the loss of each scale, (scales,)."""
        # One pass for both: these networks treat every image alone.
        judged = scales(network(self._shown(torch.cat([real, fake]))))
        halves = [scale.chunk(2) for scale in judged]
        losses = [discriminator_objective(on_real, on_fake, self.objective) for on_real, on_fake in halves]
        return self.factor * torch.stack(losses)

    def _flooded(self, losses: Tensor) -> Tensor:
        """Return what is minimized in place of losses: below the flood level a loss is raised again.

        Source: Ishida et al. 2020 (flooding), equation 1, with the level as a share of what guessing costs.
        """
        if not self.config.discriminator_flood:
            return losses
        level = self.config.discriminator_flood * self.factor * GUESSING[self.objective]
        return (losses - level).abs() + level

    def _shown(self, images: Tensor) -> Tensor:
        shown = differentiable_augmentation(images) if self.config.differentiable_augment else images
        noise = self.config.discriminator_noise
        return shown + noise * torch.randn_like(shown) if noise else shown
