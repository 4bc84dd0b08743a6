"""The base of generators that learn from unpaired images against discriminators.

a is the source domain, b the target domain. Letters in shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from medsynth.adversarial.discriminators import Discriminators
from medsynth.adversarial.objectives import absolute_error
from medsynth.adversarial.regularizers import regularizers
from medsynth.adversarial.updating import adversarial_adam, frozen
from medsynth.api import AdversarialConfig, Phase, Setup, Stateful
from medsynth.base.configuration import nearest
from medsynth.base.errors import PluginError

if TYPE_CHECKING:
    from ignite.engine import Engine

WEIGHT = "_weight"


@dataclass(kw_only=True)
class Forward:
    """What a step has computed. Images are (B, C, H, W) in [-1, 1]; what a generator does not make is None."""

    source: Tensor
    target: Tensor
    fake_a: Any = None
    """Source images made from `target`; None in a generator of one direction."""
    fake_b: Any = None
    """Target images made from `source`."""
    same_a: Tensor | None = None
    """`source` through the direction that makes source images: identity terms compare the two."""
    same_b: Tensor | None = None
    features_a: Any = None
    """What an encoder finds in `source`, as the plugin likes it."""
    features_b: Any = None
    watched: dict[str, Any] = field(default_factory=dict)
    """Values to log that are not minimized."""


class UnpairedGenerator(ABC):
    """Networks that translate, trained by weighted terms against discriminators; a plugin's factory subclasses it.

    A step is `forward`, then the generators' update by their `terms`, then the discriminators' update. The adversarial
    terms, identity terms and those of `AdversarialConfig` (information, texture) are added here. The term ``cycle``,
    also as ``cycle_a`` or ``cycle_ab``, is weighted by the option ``cycle_weight``, unless `weights` says otherwise.

    Args:
        config: options.
        setup: of the core.
        generators: by name, on the CPU; the first maps source images to target images and is exported, the second, if
            there is one, maps target images to source images.
        discriminators: judge source images, and target images; or one alone, which judges target images.
        helpers: further networks, which have an optimizer of their own, for example projection heads.
        helper_adam: arguments of `adversarial_adam` for it, where they are not those of the generators.
        parts: what the step calls, by name, if that is parts of the generators and never these as a whole.
        weights: of terms, where they are not the option of that name.

    Attributes:
        weights: by term. `terms` should leave out what has the weight 0.
        discriminators_first: update discriminators before generators.
        judged_first: compute the adversarial terms before others; decides who draws which random numbers.
        halved: see `Discriminators`.

    Examples:
        >>> class Minimal(UnpairedGenerator):
        ...     def __init__(self, config: MinimalConfig, setup: Setup) -> None:
        ...         network, judge = MinimalNetwork(setup.channels), PatchGan(setup.channels)
        ...         super().__init__(config, setup, generators={"generator": network}, discriminators=[judge])
        ...
        ...     def terms(self, made: Forward) -> dict[str, Tensor]:
        ...         return {"similarity": absolute_error(made.fake_b, made.source)}
    """

    discriminators_first: bool = False
    judged_first: ClassVar[bool] = False
    halved: ClassVar[bool] = True

    def __init__(
        self,
        config: AdversarialConfig,
        setup: Setup,
        *,
        generators: Mapping[str, nn.Module],
        discriminators: Sequence[nn.Module],
        helpers: Mapping[str, nn.Module] | None = None,
        helper_adam: Mapping[str, Any] | None = None,
        parts: Mapping[str, nn.Module] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.config = config
        self.weights = {"adversarial": 1.0, **_option_weights(config), **(weights or {})}
        self.generators, self.helpers = dict(generators), dict(helpers or {})
        self.parts = dict(parts or generators)
        for network in (*self.generators.values(), *self.helpers.values(), *discriminators):
            network.to(setup.device)
        self.discriminators = Discriminators(*discriminators, config=config, halved=self.halved)
        adam: dict[str, Any] = {"learning_rate": config.learning_rate, "weight_decay": config.weight_decay}
        self.optimizer = adversarial_adam(_parameters(self.generators.values()), **adam)
        self.optimizers = {"generators": self.optimizer}
        if self.helpers:
            parameters = _parameters(self.helpers.values())
            self.optimizers["helpers"] = adversarial_adam(parameters, **(adam | dict(helper_adam or {})))

    # -------------------------------------------------------- what a plugin says

    def forward(self, source: Tensor, target: Tensor) -> Forward:
        """Translate both batches; what is made here serves both sides of the step."""
        return Forward(source=source, target=target, fake_b=self.translate(source))

    @abstractmethod
    def terms(self, made: Forward) -> dict[str, Tensor]:
        """Return the generators' own unweighted terms by name, each a mean over images."""

    def shown(self, made: Forward) -> tuple[Tensor | None, Tensor | None]:
        """Return the images a and b that discriminators learn from."""
        return made.fake_a, made.fake_b

    # -------------------------------------------------------- what the core asks for

    def phases(self) -> Sequence[Phase]:
        """Return the one phase, on unpaired images."""
        state: dict[str, Stateful] = {**self.parts, **self.helpers, **self.discriminators.state()}
        return [
            Phase(
                name="translation",
                data="unpaired",
                epochs=self.config.epochs,
                epoch_steps=self.config.epoch_steps,
                batch_size=self.config.batch_size,
                step=self.step,
                state=state,
                optimizers={**self.optimizers, "discriminators": self.discriminators.optimizer},
            )
        ]

    def networks(self) -> Mapping[str, nn.Module]:
        """Return all networks, the one from source to target first."""
        return {**self.generators, **self.helpers, **self.discriminators.networks()}

    def translate(self, images: Tensor) -> Tensor:
        """Translate (B, C, H, W) source images in [-1, 1] to target images."""
        translated: Tensor = next(iter(self.generators.values()))(images)
        return translated

    def returning(self) -> nn.Module | None:
        """Return the network from target to source images, if there is one."""
        return next(iter([*self.generators.values()][1:]), None)

    # -------------------------------------------------------- a step

    def step(self, engine: Engine, batch: Mapping[str, Tensor]) -> dict[str, Any]:
        """Train all networks on a batch; return the unweighted terms, the discriminators' losses and what is watched.

        Raises:
            PluginError: a term has no weight.
        """
        del engine
        made = self.forward(batch["source"], batch["target"])
        judged: dict[str, Tensor] = {}
        if self.discriminators_first:
            judged = self._update_discriminators(made, *self.shown(made))
        losses = self.update_generators(made)
        if not self.discriminators_first:
            judged = self._update_discriminators(made, *self.shown(made))
        return losses | judged | made.watched

    def update_generators(self, made: Forward) -> dict[str, Tensor]:
        """Train generators and helpers for one step; return the unweighted terms.

        Gradients of discriminators are not touched, so that they may be accumulated over several batches.
        """
        with frozen(*self.discriminators.networks().values()):
            terms = self._all_terms(made)
            total = torch.stack([self._weight(name) * term for name, term in terms.items()]).sum()
            for optimizer in self.optimizers.values():
                optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(total)
        for optimizer in self.optimizers.values():
            optimizer.step()
        return {name: term.detach() for name, term in terms.items()}

    def _update_discriminators(self, made: Forward, fake_a: Tensor | None, fake_b: Tensor | None) -> dict[str, Tensor]:
        if not self.weights["adversarial"]:
            return {}
        return self.discriminators.update(real_a=made.source, real_b=made.target, fake_a=fake_a, fake_b=fake_b)

    def _all_terms(self, made: Forward) -> dict[str, Tensor]:
        first = self._adversarial(made) if self.judged_first else {}
        identity: dict[str, Tensor] = {}
        if made.same_a is not None and made.same_b is not None:
            identity["identity_a"] = absolute_error(made.same_a, made.source)
            identity["identity_b"] = absolute_error(made.same_b, made.target)
        own = self.terms(made)
        shared = regularizers(
            self.config, source=made.source, target=made.target, fake_a=made.fake_a, fake_b=made.fake_b
        )
        return {**first, **identity, **own, **shared, **({} if self.judged_first else self._adversarial(made))}

    def _adversarial(self, made: Forward) -> dict[str, Tensor]:
        if not self.weights["adversarial"]:
            return {}
        return self.discriminators.judge(fake_a=made.fake_a, fake_b=made.fake_b)

    def _weight(self, term: str) -> float:
        """Return the weight of a term, or of the terms it is one direction of."""
        name = term if term in self.weights else term.rpartition("_")[0]
        if name not in self.weights:
            kind = type(self)
            raise PluginError(
                f"{kind.__module__}.{kind.__name__}.terms returned {term!r}, a term without a weight",
                hint=f"{nearest(name or term, self.weights)} A new one needs the option {name or term}{WEIGHT}.",
            )
        return self.weights[name]


def _option_weights(config: AdversarialConfig) -> dict[str, float]:
    names = [each.name for each in fields(config) if each.name.endswith(WEIGHT)]
    return {name.removesuffix(WEIGHT): getattr(config, name) for name in names}


def _parameters(networks: Iterable[nn.Module]) -> list[nn.Parameter]:
    """Return the parameters of all networks; those that some share are listed once."""
    return list(dict.fromkeys(parameter for network in networks for parameter in network.parameters()))
