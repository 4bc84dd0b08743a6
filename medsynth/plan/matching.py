"""Find the options with which a plugin's network has a wished cost, so that methods can be compared at equal cost."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from medsynth.api import GeneratorSpec, Setup, Spec, exported
from medsynth.base.configuration import resolve
from medsynth.base.costs import count_macs, count_parameters, count_thop, shapes_only
from medsynth.base.errors import InputError
from medsynth.plan.plan import parse_overrides
from medsynth.plan.wishes import parse_wish
from medsynth.plugins import Registry

COARSE = 3
"""Values of each field in the first look."""
STARTS = 2
"""Points of the first look from which the search goes on, because it may end in a hollow."""
FIRST_STEP = 6
"""The first steps are the longest axis divided by this."""
Point = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Match:
    """What a search found.

    Args:
        values: of the fields that scale the cost.
        costs: reached, for each wish.
        wish: by name of the cost.
        tried: number of networks built.
    """

    values: Mapping[str, Any]
    costs: Mapping[str, int]
    wish: Mapping[str, float]
    tried: int

    @property
    def deviations(self) -> dict[str, float]:
        """How far each cost is from its wish, relative to it: 0.1 = ten percent more."""
        return {name: self.costs[name] / wished - 1.0 for name, wished in self.wish.items()}


COUNTED: Mapping[str, Callable[[torch.nn.Module, torch.Tensor], int]] = {
    "params": lambda network, _: count_parameters(network),
    "macs": count_macs,
    "thop": count_thop,
}


def find_match(
    registry: Registry, name: str, wish: str, *, size: int, channels: int, overrides: Sequence[str] = ()
) -> tuple[str, Match]:
    """Return a plugin's kind and the values of its fields whose network comes nearest to a wished cost.

    Args:
        registry: of the plugins.
        name: of a generator or classifier.
        wish: see `parse_wish`.
        size, channels: of the one image that costs are counted for.
        overrides: ``kind.field=value`` of fields that the search leaves alone.

    Raises:
        InputError: a name, field, value or wish that cannot be used.
    """
    wanted = parse_wish(wish)
    record = next((r for r in registry.by_name(name) if r.kind in ("generator", "classifier")), None)
    if record is None:
        raise InputError(f"'{name}' is no generator or classifier", hint="Only these have a cost to match.")
    given = parse_overrides(overrides)
    if others := [section for section in given if section != record.kind]:
        raise InputError(f"--set names '{others[0]}'", hint=f"With --match only {record.kind}.FIELD=VALUE is used.")
    spec = registry.load(record.kind, name)
    setup = Setup(channels=channels, size=(size, size), device="meta")
    return record.kind, Search(registry, spec, setup, given.get(record.kind, {})).best(wanted)


class Search:
    """A deterministic search over the values that a spec's ``scalable`` declares.

    First a coarse grid over all fields; then, from its best points, steps up and down in one field, or in two at once,
    which get shorter whenever no step brings the costs nearer to the wish. Networks are built on torch's meta device,
    so nothing is allocated. Distance is the sum of squared logarithms of cost / wish.

    Args:
        registry: of the plugins.
        spec: of a generator or classifier.
        setup: channels, size and classes.
        fixed: field values that the search leaves alone.

    Raises:
        InputError: the spec declares nothing to scale, or nothing is left to scale; an unknown or unusable field.
    """

    def __init__(self, registry: Registry, spec: Spec, setup: Setup, fixed: Mapping[str, Any]) -> None:
        self.registry, self.spec, self.setup, self.fixed = registry, spec, setup, fixed
        self.kind = "generator" if isinstance(spec, GeneratorSpec) else "classifier"
        resolve(spec.config, [fixed], where=self.kind)
        self.fields = {name: tuple(values) for name, values in spec.scalable.items() if name not in fixed}
        if not self.fields:
            raise InputError(
                f"plugin '{spec.name}' has no field {'left ' if spec.scalable else ''}that scales its cost",
                hint="Leave one of these out of --set: " + ", ".join(spec.scalable) + "."
                if spec.scalable
                else "A plugin declares such fields in its spec as 'scalable'.",
            )
        self._known: dict[Point, tuple[float, dict[str, int]]] = {}

    def best(self, wish: Mapping[str, float]) -> Match:
        """Return the nearest point found.

        Raises:
            InputError: no network could be built.
        """
        lengths = [len(values) for values in self.fields.values()]
        ends = [self._descend(start, max(1, max(lengths) // FIRST_STEP), wish) for start in self._starts(wish)]
        point = min(ends, key=lambda end: self._distance(end, wish))
        distance, costs = self._known[point]
        if math.isinf(distance):
            raise InputError(f"no network of '{self.spec.name}' could be built at this size")
        costs = {cost: costs[cost] for cost in wish}
        return Match(values=self._values(point), costs=costs, wish=dict(wish), tried=len(self._known))

    def _starts(self, wish: Mapping[str, float]) -> list[Point]:
        """Return the best points of the coarse grid."""
        starts: list[tuple[float, Point]] = []
        for point in itertools.product(*(_spread(len(values)) for values in self.fields.values())):
            limit = starts[-1][0] if len(starts) == STARTS else math.inf
            starts = sorted([*starts, (self._distance(point, wish, limit), point)])[:STARTS]
        return [point for _, point in starts]

    def _descend(self, point: Point, step: int, wish: Mapping[str, float]) -> Point:
        while step:
            near = self._improved(point, step, wish)
            point, step = (point, step // 2) if near is None else (near, step)
        return point

    def _improved(self, point: Point, step: int, wish: Mapping[str, float]) -> Point | None:
        """Return the best neighbor that is nearer to the wish: of those in one field, else of those in two."""
        here = self._distance(point, wish)
        for moved in (1, 2):
            nearest, least = None, here
            for near in self._neighbors(point, step, moved):
                if (distance := self._distance(near, wish, least)) < least:
                    nearest, least = near, distance
            if nearest is not None:
                return nearest
        return None

    def _neighbors(self, point: Point, step: int, moved: int) -> Iterator[Point]:
        lengths = [len(values) for values in self.fields.values()]
        for axes in itertools.combinations(range(len(point)), moved):
            for signs in itertools.product((-step, step), repeat=moved):
                shifts = dict(zip(axes, signs, strict=True))
                near = tuple(index + shifts.get(axis, 0) for axis, index in enumerate(point))
                if all(0 <= index < length for index, length in zip(near, lengths, strict=True)):
                    yield near

    def _values(self, point: Point) -> dict[str, Any]:
        return {name: values[index] for (name, values), index in zip(self.fields.items(), point, strict=True)}

    def _distance(self, point: Point, wish: Mapping[str, float], limit: float = math.inf) -> float:
        """Return the distance of a point; of one that is farther than `limit`, maybe only the cheaper costs' part."""
        distance, costs = self._known.get(point, (0.0, {}))
        if not math.isinf(distance) and distance <= limit and len(costs) < len(wish):
            try:
                costs = self._costs(self._values(point), wish, limit)
                distance = sum(math.log(cost / wish[name]) ** 2 for name, cost in costs.items())
            except InputError:  # a combination that the plugin refuses
                distance = math.inf
            self._known[point] = distance, costs
        return distance

    def _costs(self, values: Mapping[str, Any], wish: Mapping[str, float], limit: float) -> dict[str, int]:
        """Count the costs, cheaper ones first, until the point is known to be farther than `limit`."""
        config: Any = resolve(self.spec.config, [self.fixed, values], where=self.kind)
        with torch.device("meta"):
            network = exported(self.registry.create(self.spec, config, self.setup)).eval()
            image = torch.empty(1, self.setup.channels, *self.setup.size)
        costs: dict[str, int] = {}
        distance = 0.0
        for name in sorted(wish, key=list(COUNTED).index):
            if distance <= limit:
                with shapes_only():
                    costs[name] = COUNTED[name](network, image)
                distance += math.log(costs[name] / wish[name]) ** 2
        return costs


def _spread(length: int) -> list[int]:
    """Return up to `COARSE` indices of an axis, its ends among them."""
    return sorted({round(part * (length - 1) / (COARSE - 1)) for part in range(COARSE)})
