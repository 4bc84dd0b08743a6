"""Training steps of the generators as published code has them: what `train_step.py` measures against.

Networks come from `plain_networks.py`. Every step passes each image set through a network by itself, judges real and
generated images apart, computes features again where the published code does, and uses PyTorch's Adam as it comes.
Losses and weights are medsynth's; pools of earlier images are off on both sides.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from plain_networks import domain_classifier, encoder_decoder, patch_gan
from torch import Tensor, nn

CHANNELS = 1
TEMPERATURE = 0.07


def copy_of(network: nn.Module, original: nn.Module) -> nn.Module:
    """Give a plain network the weights and the device of medsynth's."""
    network.to(next(original.parameters()))
    for weight, value in zip(network.parameters(), original.parameters(), strict=True):
        weight.data.copy_(value)
    return network


def adam(*networks: nn.Module, rate: float, betas: tuple[float, float] = (0.5, 0.999), decay: float = 0.0) -> Any:
    """Return PyTorch's Adam with its defaults for speed."""
    return torch.optim.Adam(
        itertools.chain(*(network.parameters() for network in networks)), lr=rate, betas=betas, weight_decay=decay
    )


def require_gradients(networks: Iterable[nn.Module], required: bool) -> None:
    """Freeze or unfreeze networks."""
    for network in networks:
        network.requires_grad_(required)


def judged_as(judged: Tensor | list[Tensor], value: float) -> Tensor:
    """Return the least-squares loss of logits against one target value, summed over scales."""
    maps = judged if isinstance(judged, list) else [judged]
    return sum(nn.functional.mse_loss(logits, torch.full_like(logits, value)) for logits in maps)


class Plain:
    """What the plain steps share: discriminators and their update."""

    optimizers: dict[str, torch.optim.Optimizer]
    factor = 0.5
    """Of the discriminators' losses."""

    def __init__(self, model: Any, make_judge: Callable[[], nn.Module]) -> None:
        self.config = model.config
        originals = (model.discriminators.a, model.discriminators.b)
        self.judge_a, self.judge_b = (copy_of(make_judge(), original) for original in originals)
        self.judges = (self.judge_a, self.judge_b)
        self.l1 = nn.L1Loss()

    def update_judges(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> None:
        """Train both discriminators, real and generated images apart."""
        optimizer = self.optimizers["discriminators"]
        optimizer.zero_grad()
        for judge, real, fake in ((self.judge_a, a, fake_a), (self.judge_b, b, fake_b)):
            loss = self.factor * (judged_as(judge(real), 1.0) + judged_as(judge(fake.detach()), 0.0))
            loss.backward()
        optimizer.step()


class PlainCycleGan(Plain):
    """CycleGAN's step: generators, then discriminators."""

    def __init__(self, model: Any) -> None:
        config = model.config
        super().__init__(model, lambda: patch_gan(CHANNELS, width=config.discriminator_width))
        self.ab, self.ba = (
            copy_of(
                encoder_decoder(
                    CHANNELS, CHANNELS, width=config.width, levels=2, blocks=config.blocks, mode=config.upsampling
                ),
                original,
            )
            for original in (model.generator_ab, model.generator_ba)
        )
        rate = config.learning_rate
        self.optimizers = {
            "generators": adam(self.ab, self.ba, rate=rate),
            "discriminators": adam(*self.judges, rate=rate),
        }

    def step(self, a: Tensor, b: Tensor) -> None:
        """Train for one step."""
        fake_b, fake_a = self.ab(a), self.ba(b)
        again_a, again_b = self.ba(fake_b), self.ab(fake_a)
        require_gradients(self.judges, False)
        same_b, same_a = self.ab(b), self.ba(a)
        cycle, identity = self.config.cycle_weight, self.config.cycle_weight * self.config.identity_weight
        loss = (
            judged_as(self.judge_b(fake_b), 1.0)
            + judged_as(self.judge_a(fake_a), 1.0)
            + cycle * (self.l1(again_a, a) + self.l1(again_b, b))
            + identity * (self.l1(same_a, a) + self.l1(same_b, b))
        )
        self.optimizers["generators"].zero_grad()
        loss.backward()
        self.optimizers["generators"].step()
        require_gradients(self.judges, True)
        self.update_judges(a, b, fake_a, fake_b)


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, features: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradients[0], None


class PlainSgCycleGan(Plain):
    """SG-CycleGAN's step: generators, discriminators, then the classifier by a loss of its own.

    As published, identity runs the extractor on the real images again, and discriminators stay trainable while the
    generators are trained. Their gradients are cleared before use, which the published code does not always do.
    """

    def __init__(self, model: Any) -> None:
        config = model.config
        super().__init__(model, lambda: patch_gan(CHANNELS, width=config.discriminator_width))
        sizes = {"width": config.width, "mode": config.upsampling}
        self.extractor = copy_of(
            encoder_decoder(
                CHANNELS,
                config.features,
                levels=config.extractor_levels,
                blocks=0,
                normalized=config.normalized,
                **sizes,
            ),
            model.extractor,
        )
        self.branch_ab, self.branch_ba = (
            copy_of(
                encoder_decoder(config.features, CHANNELS, levels=config.branch_levels, blocks=config.blocks, **sizes),
                original,
            )
            for original in (model.branch_ab, model.branch_ba)
        )
        self.classifier = copy_of(domain_classifier(config.features, width=config.classifier_width), model.classifier)
        rate = config.learning_rate
        self.optimizers = {
            "generators": adam(self.extractor, self.branch_ab, self.branch_ba, rate=rate),
            "helpers": adam(self.classifier, rate=rate),
            "discriminators": adam(*self.judges, rate=rate),
        }

    def step(self, a: Tensor, b: Tensor, *, strength: float = 2 / (1 + math.exp(-2.5)) - 1) -> None:
        """Train for one step; the reversal's strength is that of half of the training."""
        config = self.config
        same_b, same_a = self.branch_ab(self.extractor(b)), self.branch_ba(self.extractor(a))
        features_a, features_b = self.extractor(a), self.extractor(b)
        both = torch.cat([features_a, features_b])
        fake_b, fake_a = self.branch_ab(features_a), self.branch_ba(features_b)
        of_fake_b, of_fake_a = self.extractor(fake_b), self.extractor(fake_a)
        again_a, again_b = self.branch_ba(of_fake_b), self.branch_ab(of_fake_a)
        goal_a, goal_b = (f.detach() if config.detach_features else f for f in (features_a, features_b))
        loss = (
            judged_as(self.judge_b(fake_b), 1.0)
            + judged_as(self.judge_a(fake_a), 1.0)
            + config.cycle_weight * (self.l1(again_a, a) + self.l1(again_b, b))
            + config.feature_weight * (self.l1(of_fake_b, goal_a) + self.l1(of_fake_a, goal_b))
            + config.identity_weight * (self.l1(same_a, a) + self.l1(same_b, b))
            + config.domain_weight * self.domain(_Reverse.apply(both, strength))
        )
        self.optimizers["generators"].zero_grad()
        loss.backward()
        self.optimizers["generators"].step()
        self.update_judges(a, b, fake_a, fake_b)
        self.optimizers["helpers"].zero_grad()
        (config.domain_weight * self.domain(both.detach())).backward()
        self.optimizers["helpers"].step()

    def domain(self, features: Tensor) -> Tensor:
        """Return the classifier's cross-entropy on the features of source images, then of target images."""
        logits = self.classifier(features)
        labels = torch.zeros_like(logits)
        labels[len(labels) // 2 :] = 1.0
        return nn.functional.binary_cross_entropy_with_logits(logits, labels)


def broadcast_nce(query: Tensor, key: Tensor) -> Tensor:
    """Return PatchNCE of (N, D) unit vectors as DCLGAN's published code has it: cosines by broadcasting, masked."""
    count = len(query)
    cosine = nn.CosineSimilarity(dim=-1)
    key = key.detach()
    positive = cosine(query, key).view(count, 1)
    negative = cosine(query.unsqueeze(1), key.unsqueeze(0))
    negative.masked_fill_(torch.eye(count, device=query.device, dtype=torch.bool), -10.0)
    logits = torch.cat([positive, negative], 1) / TEMPERATURE
    return nn.functional.cross_entropy(logits, torch.zeros(count, dtype=torch.long, device=query.device))


class PlainHead(nn.Module):
    """DCLGAN's projection head: rearranges each map, then picks positions."""

    def __init__(self, widths: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.taps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, outputs), nn.ReLU(), nn.Linear(outputs, outputs)) for width in widths
        )

    def forward(
        self, features: Sequence[Tensor], count: int, positions: Sequence[Tensor] = ()
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return (B * P, D) unit vectors per tap and the positions they are from."""
        vectors, chosen = [], []
        for number, (maps, project) in enumerate(zip(features, self.taps, strict=True)):
            # In channels-last layout, PyTorch 2.13's instance norm would turn it into a wrong gradient (CPU, batch 1).
            maps.register_hook(Tensor.contiguous)
            spread = maps.permute(0, 2, 3, 1).flatten(1, 2)
            places = positions[number] if positions else torch.randperm(spread.shape[1])[:count].to(maps.device)
            picked = project(spread[:, places].flatten(0, 1))
            vectors.append(picked / (picked.pow(2).sum(1, keepdim=True).sqrt() + 1e-7))
            chosen.append(places)
        return vectors, chosen


class PlainDclGan(Plain):
    """DCLGAN's step: discriminators, then generators and heads; keys and queries from four further encoder passes."""

    def __init__(self, model: Any) -> None:
        config = model.config
        antialiased = config.discriminator_antialiased
        super().__init__(model, lambda: patch_gan(CHANNELS, width=config.discriminator_width, antialiased=antialiased))
        self.ab, self.ba = (
            copy_of(
                encoder_decoder(
                    CHANNELS, CHANNELS, width=config.width, levels=2, blocks=config.blocks, mode=config.upsampling
                ),
                original,
            )
            for original in (model.generator_ab, model.generator_ba)
        )
        # The published list begins with a reflection padding, which medsynth's first layer includes.
        self.taps = [place + 1 for place in model.generator_ab.encoder.places]
        widths = model.generator_ab.encoder.widths
        self.head_a, self.head_b = (
            copy_of(PlainHead(widths, config.projection_width), original)
            for original in (model.projection_a, model.projection_b)
        )
        rate = config.learning_rate
        self.optimizers = {
            "generators": adam(self.ab, self.ba, rate=rate),
            "helpers": adam(self.head_a, self.head_b, rate=config.projection_rate, betas=(0.9, 0.999)),
            "discriminators": adam(*self.judges, rate=rate),
        }

    def encode(self, network: nn.Sequential, images: Tensor) -> list[Tensor]:
        """Return the features of the tapped layers."""
        features = []
        for place, layer in enumerate(network[: self.taps[-1] + 1]):
            images = layer(images)
            if place in self.taps:
                features.append(images)
        return features

    def nce(self, real: Tensor, fake: Tensor, own: Any, other: Any, head: nn.Module, other_head: nn.Module) -> Tensor:
        """Return the contrastive term of one direction."""
        queries, keys = self.encode(other, fake), self.encode(own, real)
        key_vectors, positions = head(keys, self.config.patches)
        query_vectors, _ = other_head(queries, self.config.patches, positions)
        losses = [broadcast_nce(query, key) for query, key in zip(query_vectors, key_vectors, strict=True)]
        return sum(losses) / len(losses)

    def step(self, a: Tensor, b: Tensor) -> None:
        """Train for one step."""
        config = self.config
        fake_b, fake_a = self.ab(a), self.ba(b)
        same_b, same_a = self.ab(b), self.ba(a)
        self.update_judges(a, b, fake_a, fake_b)
        require_gradients(self.judges, False)
        adversarial = judged_as(self.judge_b(fake_b), 1.0) + judged_as(self.judge_a(fake_a), 1.0)
        contrast = self.nce(a, fake_b, self.ab, self.ba, self.head_a, self.head_b)
        contrast = contrast + self.nce(b, fake_a, self.ba, self.ab, self.head_b, self.head_a)
        identity = self.l1(same_a, a) + self.l1(same_b, b)
        loss = 0.5 * (
            config.adversarial_weight * adversarial + config.nce_weight * contrast + config.identity_weight * identity
        )
        self.optimizers["generators"].zero_grad()
        self.optimizers["helpers"].zero_grad()
        loss.backward()
        self.optimizers["generators"].step()
        self.optimizers["helpers"].step()
        require_gradients(self.judges, True)
