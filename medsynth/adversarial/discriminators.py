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
    Objective,
    discriminator_objective,
    generator_objective,
    gradient_penalty,
    scales,
)
from medsynth.adversarial.updating import adversarial_adam

if TYPE_CHECKING:
    from medsynth.api import GeneratorConfig


class Discriminators:
    """The discriminators of both domains with their replay pools and one Adam over both.

    Torch's global generator seeds the pools.

    Args:
        a: judges source images; on its device already. Returns logits, or a list of logits with one entry per scale.
        b: judges target images.
        objective: see `generator_objective`; summed over scales.
        config: learning rate, and which of the stabilizing terms are on: R1, spectral norm, augmentation.
        pool_size: stored images per domain; 0 = no pool.
        halved: take half the sum of the losses on real and generated images, as CycleGAN does, not the sum.
        weight_decay: of Adam.
    """

    def __init__(
        self,
        a: nn.Module,
        b: nn.Module,
        *,
        objective: Objective,
        config: GeneratorConfig,
        pool_size: int = 0,
        halved: bool = True,
        weight_decay: float = 0.0,
    ) -> None:
        self.a, self.b, self.objective, self.config = a, b, objective, config
        self.factor = 1.0 if halved else 2.0
        if config.spectral_norm:
            for layer in (layer for network in (a, b) for layer in network.modules() if isinstance(layer, nn.Conv2d)):
                spectral_norm(layer)
        # On the CPU, so that networks can be counted on the meta device, which holds no numbers.
        seeds = (int(torch.randint(2**62, (), device="cpu")) for _ in range(2))
        self.pool_a, self.pool_b = (ImagePool(pool_size, seed=seed) for seed in seeds)
        parameters = [*a.parameters(), *b.parameters()]
        self.optimizer = adversarial_adam(parameters, config.learning_rate, weight_decay=weight_decay)

    def networks(self) -> dict[str, nn.Module]:
        """Return both networks by name."""
        return {"discriminator_a": self.a, "discriminator_b": self.b}

    def state(self) -> dict[str, Any]:
        """Return everything a checkpoint has to hold, by name; the optimizer is not among it."""
        return {**self.networks(), "pool_a": self.pool_a, "pool_b": self.pool_b}

    def judge(self, *, fake_a: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """Return the generators' adversarial terms; call it inside `frozen`."""
        judged = {"adversarial_ab": self.b(self._shown(fake_b)), "adversarial_ba": self.a(self._shown(fake_a))}
        return {
            name: torch.stack([generator_objective(scale, self.objective) for scale in scales(logits)]).sum()
            for name, logits in judged.items()
        }

    def update(self, *, real_a: Tensor, real_b: Tensor, fake_a: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """Train both networks for one step on real images and on generated ones from the pools; return their losses."""
        by_scale = {
            "discriminator_a": self._losses(self.a, real_a, self.pool_a.query(fake_a)),
            "discriminator_b": self._losses(self.b, real_b, self.pool_b.query(fake_b)),
        }
        losses = {name: scale.sum() for name, scale in by_scale.items()}
        total = self._flooded(torch.cat(list(by_scale.values()))).sum()
        if self.config.r1_weight:
            losses |= {"r1_a": gradient_penalty(self.a, real_a), "r1_b": gradient_penalty(self.b, real_b)}
            total = total + self.config.r1_weight / 2 * (losses["r1_a"] + losses["r1_b"])
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
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
