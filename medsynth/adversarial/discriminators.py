"""Adversarial training of two domains: objectives, replay pool, the discriminators' side of a step.

a is the source domain, b the target domain. Logits have any shape, positive = judged real. Means are float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from medsynth.adversarial.augmentation import differentiable_augmentation
from medsynth.training.processes import own_share, whole_batch

if TYPE_CHECKING:
    from medsynth.api import GeneratorConfig

Objective = Literal["lsgan", "vanilla", "hinge"]

GUESSING: dict[Objective, float] = {"lsgan": 0.25, "vanilla": math.log(2.0), "hinge": 1.0}
"""`discriminator_objective` of a discriminator that cannot tell real from generated."""
_FUSED = frozenset({"cpu", "cuda", "mps", "xpu"})


def generator_objective(fake: Tensor, objective: Objective) -> Tensor:
    """Return what a generator minimizes, given the discriminator's logits on its images.

    Args:
        fake: logits, any shape.
        objective: ``lsgan``: mean of (fake - 1)^2 (Mao et al. 2017); ``vanilla``: binary cross-entropy against real
            (Goodfellow et al. 2014, non-saturating); ``hinge``: minus the mean (Lim & Ye 2017).
    """
    fake = fake.float()
    if objective == "lsgan":
        return (fake - 1).square().mean()
    if objective == "vanilla":
        return F.softplus(-fake).mean()
    return -fake.mean()


def discriminator_objective(real: Tensor, fake: Tensor, objective: Objective) -> Tensor:
    """Return what a discriminator minimizes: half the sum of its loss on real and on generated images.

    Args:
        real: logits of real images, any shape.
        fake: logits of generated images.
        objective: ``lsgan``: (real - 1)^2 and fake^2; ``vanilla``: binary cross-entropy; ``hinge``: max(0, 1 - real)
            and max(0, 1 + fake).
    """
    real, fake = real.float(), fake.float()
    if objective == "lsgan":
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())
    if objective == "vanilla":
        return 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def absolute_error(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean absolute difference (L1) of two tensors of one shape, computed in float32."""
    return (first.float() - second.float()).abs().mean()


def adversarial_adam(
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    *,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.5, 0.999),
) -> torch.optim.Adam:
    """Return Adam with the betas that all these generators choose; fused where torch can do so.

    Move the parameters to their device first.
    """
    chosen = list(parameters)
    fused = all(parameter.device.type in _FUSED for parameter in chosen)
    return torch.optim.Adam(chosen, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=fused)


def gradient_penalty(network: nn.Module, real: Tensor) -> Tensor:
    """Return R1: the squared length of the gradient of the judgment by the real image, mean of the images.

    R1 = E ||d/dx D(x)||^2, where D(x) is the mean of the logits' map, summed over scales.

    Source: Mescheder et al. 2018, equation 9, with the weight gamma / 2 left to the caller.

    Args:
        network: a discriminator.
        real: (B, C, H, W) real images.
    """
    images = real.detach().float().requires_grad_(True)
    with torch.autocast(images.device.type, enabled=False):
        judged = torch.stack([scale.flatten(1).mean(1).sum() for scale in scales(network(images))]).sum()
    (gradient,) = torch.autograd.grad(judged, images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def scales(judged: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """Return a discriminator's logits as a list with one tensor per scale."""
    return [judged] if isinstance(judged, Tensor) else list(judged)


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Take no gradients of these networks' parameters inside the block; gradients still pass through to their input."""
    parameters = [parameter for network in networks for parameter in network.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


class ImagePool:
    """Show a discriminator generated images of earlier steps, too (Shrivastava et al. 2017, section 2.3).

    While the pool is not full, every image is stored and returned. Afterwards, with probability 1/2, an image takes the
    place of a randomly drawn stored one, which is returned instead.

    Args:
        size: number of stored images; 0 returns all images unchanged.
        seed: of the pool's own random generator.
    """

    def __init__(self, size: int, *, seed: int) -> None:
        self.size = size
        self._random = torch.Generator().manual_seed(seed)
        self._images = torch.empty(0)

    def query(self, images: Tensor) -> Tensor:
        """Exchange (B, C, H, W) images; the result has their shape and device, and no gradient.

        Processes that train together keep equal pools, which hold the images of all of them.
        """
        images = images.detach()
        if self.size == 0:
            return images
        return own_share(self._exchange_all(whole_batch(images)))

    def _exchange_all(self, images: Tensor) -> Tensor:
        if not len(self._images):
            self._images = images[:0]
        self._images = self._images.to(images)
        return torch.stack([self._exchange(image) for image in images])

    def _exchange(self, image: Tensor) -> Tensor:
        if len(self._images) < self.size:
            self._images = torch.cat([self._images, image[None]])
            return image
        if torch.rand((), generator=self._random) >= 0.5:
            return image
        place = int(torch.randint(self.size, (), generator=self._random))
        old = self._images[place].clone()
        self._images[place] = image
        return old

    def state_dict(self) -> dict[str, Any]:
        """Return the stored images and the state of the random generator, as tensors."""
        return {"images": self._images.clone(), "random": self._random.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._images = state["images"].clone()
        self._random.set_state(state["random"].cpu())


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
