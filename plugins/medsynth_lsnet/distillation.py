"""What the teacher hands to the student: gradient maps and pooled features.

Letters in shapes: B batch, P pixel positions in a patch, h heads, N tokens. A map is (B, P, h, N, N).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Rule, normalize
from .schedule import recency

PRIOR_MOMENTUM = 0.9
FEATURES, PROJECTION = 128, 128


def row_divergence(simulated: Tensor, target: Tensor) -> Tensor:
    """Mean over rows of KL(softmax(target) || softmax(simulated)) of two normalized maps."""
    log_simulated, log_target = simulated.log_softmax(dim=-1).flatten(0, -2), target.log_softmax(dim=-1).flatten(0, -2)
    return F.kl_div(log_simulated, log_target, reduction="batchmean", log_target=True)


def key_likelihood(scores: Tensor, target: Tensor, count: int, *, probabilities: bool) -> Tensor:
    """Mean negative log-likelihood of the `count` keys of each query with the largest target.

    Each row of the scores is read as the log-odds of drawing one key; it is smallest where the rows' mass lies evenly
    on the target's largest keys. Unlike a distance of maps it leaves the order of all other keys free.

    Args:
        scores: (..., N, N), not normalized, so that rows may become as sharp as needed.
        target: (..., N, N).
        count: K.
        probabilities: `scores` are probabilities already.
    """
    log_shares = scores.clamp_min(1e-12).log() if probabilities else scores.log_softmax(dim=-1)
    return -log_shares.gather(-1, target.topk(count, sorted=False).indices).mean()


class GradientFeatures(nn.Module):
    """A fixed random network that compresses a map to 128 numbers of unit length.

    It is never trained: a trained one could make both maps alike by giving a constant.

    Args:
        channels: P * h, the maps of one image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.AdaptiveAvgPool2d(16),
            nn.Conv2d(channels, 32, 3, stride=2, padding=1, bias=False),
            nn.SELU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1, bias=False),
            nn.SELU(),
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, FEATURES, bias=False),
        )
        for parameter in self.parameters():
            nn.init.orthogonal_(parameter.requires_grad_(False))

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, P, h, N, N) to (B, 128)."""
        return F.normalize(self.layers(maps.flatten(1, 2)), dim=1)


class Distiller(nn.Module):
    """Targets and losses between teacher and student, with everything they have to remember.

    Args:
        heads: attention heads.
        positions: P.
        tokens: N of the three blocks.
        widths: pooled features of the student and of the teacher.
        sign: of the teacher's gradient: ``abs``, ``signed`` or ``negated``.
        smoothing: average the target with a running mean over images.
        row_loss: ``kl``, ``mse`` or ``keys`` (see `key_likelihood`).
        feature_weight: of the 128-number gradient features in the simulation loss.
        rule: of the student, which says what keys are ranked by and how many count.
    """

    def __init__(
        self,
        *,
        heads: int,
        positions: int,
        tokens: Sequence[int],
        widths: tuple[int, int],
        sign: str,
        smoothing: bool,
        row_loss: str,
        feature_weight: float,
        rule: Rule,
    ) -> None:
        super().__init__()
        self.rule = rule
        self.sign, self.smoothing, self.row_loss, self.feature_weight = sign, smoothing, row_loss, feature_weight
        self.gradient_features = GradientFeatures(positions * heads)
        self.project = nn.Linear(widths[0], PROJECTION)
        self.anchor = nn.Linear(widths[1], PROJECTION, bias=False).requires_grad_(False)
        nn.init.orthogonal_(self.anchor.weight)
        self.names = [f"prior_{index}" for index in range(len(tokens))]
        for name, count in zip(self.names, tokens, strict=True):
            self.register_buffer(name, torch.zeros(positions, heads, count, count))
        self.register_buffer("seen", torch.zeros(()))

    @torch.no_grad()
    def targets(self, gradients: Sequence[Tensor], progress: float) -> list[Tensor]:
        """Turn the gradients of the teacher's scores into normalized target maps.

        Maps of different images cannot be averaged one by one; the running mean over images is a prior for each
        position, head and pair of tokens.
        """
        maps = [normalize(self.signed(gradient)) for gradient in gradients]
        if not self.smoothing:
            return maps
        share, smoothed = recency(progress), []
        seen = self.get_buffer("seen")
        momentum = PRIOR_MOMENTUM * seen
        for name, current in zip(self.names, maps, strict=True):
            prior = self.get_buffer(name)
            prior.copy_(momentum * prior + (1.0 - momentum) * current.mean(dim=0))
            smoothed.append(normalize(share * current + (1.0 - share) * prior))
        seen.fill_(1.0)
        return smoothed

    def signed(self, gradient: Tensor) -> Tensor:
        """Return the gradient with the chosen sign: the larger, the more important."""
        if self.sign == "abs":
            return gradient.abs()
        return -gradient if self.sign == "negated" else gradient

    def simulation(self, simulated: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Mean over blocks of row loss and feature loss; a block with a single token has nothing to learn."""
        losses = []
        for maps, target in zip(simulated, targets, strict=True):
            if target.shape[-1] > 1:
                losses.append(self._row_loss(maps, target))
                if self.feature_weight:
                    losses[-1] = losses[-1] + self.feature_weight * self._feature_loss(normalize(maps), target)
        return torch.stack(losses).mean()

    def _row_loss(self, maps: Tensor, target: Tensor) -> Tensor:
        if self.row_loss == "keys":
            count, rule = self.rule.compared(target.shape[-1]), self.rule
            return key_likelihood(rule.score(maps), rule.score(target), count, probabilities=rule.fusion)
        distance = F.mse_loss if self.row_loss == "mse" else row_divergence
        return distance(normalize(maps), target)

    def _feature_loss(self, maps: Tensor, target: Tensor) -> Tensor:
        wanted = self.gradient_features(target)
        return F.smooth_l1_loss(self.gradient_features(maps), wanted, reduction="sum") / len(maps)

    def alignment(self, student: Tensor, teacher: Tensor) -> Tensor:
        """2 - 2 * cosine of projected pooled features (B, width), in [0, 4].

        The teacher's projection is a fixed orthogonal one, so that the two cannot agree on a constant.
        """
        first, second = self.project(student).float(), self.anchor(teacher.detach()).float()
        cosine = F.cosine_similarity(first, second, dim=1)
        return (2.0 - 2.0 * cosine).mean()


def logit_divergence(student: Tensor, teacher: Tensor, *, temperature: float = 3.0) -> Tensor:
    """Hinton's loss: KL of softened teacher and student probabilities times the squared temperature."""
    log_student = (student.float() / temperature).log_softmax(dim=1)
    log_teacher = (teacher.detach().float() / temperature).log_softmax(dim=1)
    return F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True) * temperature**2
