"""The phantom's anatomy: a parametric uterus with its layers, a lesion and its surroundings.

Coordinates: the field of view is [-1, 1] x [-1, 1], x to the right, y down; all lengths are shares of half its
width. The uterus has its own frame: u runs along the cavity from cervix to fundus, v across it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

Point = tuple[float, float]


class Tissue(IntEnum):
    """Label of each tissue in masks."""

    FAT = 0
    BOWEL = 1
    BLADDER = 2
    SEROSA = 3
    MYOMETRIUM = 4
    JUNCTION = 5
    ENDOMETRIUM = 6
    LESION = 7
    FIBROID = 8


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """A lesion of the endometrium.

    Args:
        origin: point on the cavity's axis from which the lesion grows, (u, v).
        direction: of growth, radians from the u axis.
        radius: of the part inside the cavity.
        bulge: how far the lesion pushes the intact layers outwards.
        width: half-width of the breach in the junctional zone; without meaning where `depth` is 0.
        depth: share of the myometrium that is invaded at the deepest point, 0 = the junctional zone is intact.
        wobble: amplitude and phase of the sideways irregularity of the invading part.
    """

    origin: Point
    direction: float
    radius: float
    bulge: float
    width: float
    depth: float
    wobble: Point


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """One patient.

    Args:
        center: of the uterus, (x, y).
        rotation: of the u axis against the x axis, radians.
        bend: curvature of the cavity's axis: v is shifted by ``bend * u**2``.
        cavity_length: of the endometrium's axis, from u = -length to u = 0.
        cavity_radii: half-thickness of the endometrium at the cervical and at the fundal end.
        outer_length: of the outer contour's axis, from u = -length to u = 0.
        outer_radii: radii of the outer contour at the cervical and at the fundal end.
        junction: thickness of the junctional zone.
        lesion: None for a normal endometrium.
        fibroids: (u, v, radius) of round benign tumors of the myometrium.
        bladder: (x, y, radius along x, radius along y).
        bowel: plane waves (frequency along x, along y, phase) whose sum shapes the bowel.
    """

    center: Point
    rotation: float
    bend: float
    cavity_length: float
    cavity_radii: Point
    outer_length: float
    outer_radii: Point
    junction: float
    lesion: Lesion | None
    fibroids: tuple[tuple[float, float, float], ...]
    bladder: tuple[float, float, float, float]
    bowel: tuple[tuple[float, float, float], ...]

    @property
    def depth(self) -> float:
        """Share of the myometrium that is invaded at the deepest point, in [0, 1)."""
        return 0.0 if self.lesion is None else self.lesion.depth

    @property
    def label(self) -> int:
        """1 where the lesion invades the myometrium, else 0."""
        return int(self.depth > 0.0)


SEROSA_THICKNESS = 0.035
LESION_SHARE = 0.65
"""Share of patients without invasion who have a lesion that stays inside the cavity."""

CONFINED_RADIUS, INVADING_RADIUS = (0.07, 0.13), (0.09, 0.15)
"""Lesions that invade are larger on average, as in patients: a weak sign beside the interrupted junctional zone."""


def draw_anatomy(rng: np.random.Generator, *, positive: bool) -> Anatomy:
    """Draw one patient; `positive` asks for a lesion that invades the myometrium.

    Beside the breach of the junctional zone, the classes differ in the lesion's size on average, and some negative
    patients have no lesion; everything else is drawn from the same distributions.
    """
    radii = (rng.uniform(0.03, 0.05), rng.uniform(0.07, 0.16))
    outer = (rng.uniform(0.19, 0.25), rng.uniform(0.42, 0.50))
    length = rng.uniform(0.45, 0.60)
    junction = rng.uniform(0.08, 0.105)
    lesion = _draw_lesion(rng, length, radii, invades=positive) if positive or rng.random() < LESION_SHARE else None
    side = 1.0 if rng.random() < 0.5 else -1.0
    tilt = rng.uniform(-0.9, 0.9)
    rotation = tilt if side > 0 else math.pi - tilt
    center = (side * rng.uniform(0.12, 0.25), rng.uniform(-0.02, 0.20))
    return Anatomy(
        center=center,
        rotation=rotation,
        bend=rng.uniform(-0.45, 0.45),
        cavity_length=length,
        cavity_radii=radii,
        outer_length=length + rng.uniform(0.12, 0.22),
        outer_radii=outer,
        junction=junction,
        lesion=lesion,
        fibroids=_draw_fibroids(rng, outer[1]),
        bladder=(-side * rng.uniform(0.35, 0.75), rng.uniform(-0.75, -0.55), *rng.uniform(0.12, 0.28, 2).tolist()),
        bowel=tuple((*rng.uniform(-7.0, 7.0, 2).tolist(), rng.uniform(0.0, 2.0 * math.pi)) for _ in range(5)),
    )


def _draw_lesion(rng: np.random.Generator, length: float, radii: Point, *, invades: bool) -> Lesion:
    along = rng.uniform(0.0, 0.55)
    spread = 0.5 if along > 0.1 else 1.2
    direction = math.copysign(rng.uniform(math.pi / 2.0 - spread, math.pi / 2.0 + 0.2), rng.random() - 0.5)
    return Lesion(
        origin=(-along * length, 0.0),
        direction=direction,
        radius=rng.uniform(*(INVADING_RADIUS if invades else CONFINED_RADIUS)) + 0.3 * radii[1],
        bulge=rng.uniform(0.0, 0.10),
        width=rng.uniform(0.12, 0.19),
        depth=rng.uniform(0.30, 0.85) if invades else 0.0,
        wobble=(rng.uniform(0.0, 0.03), rng.uniform(0.0, 2.0 * math.pi)),
    )


def _draw_fibroids(rng: np.random.Generator, radius: float) -> tuple[tuple[float, float, float], ...]:
    fibroids = []
    for _ in range(int(rng.choice(3, p=(0.6, 0.3, 0.1)))):
        angle = rng.uniform(-2.2, 2.2)
        reach = radius * rng.uniform(0.75, 0.95)
        fibroids.append((reach * math.cos(angle), reach * math.sin(angle), rng.uniform(0.05, 0.11)))
    return tuple(fibroids)


def pear_distance(u: np.ndarray, v: np.ndarray, *, length: float, radii: Point) -> np.ndarray:
    """Return the signed distance to a pear: the hull of two circles, negative inside.

    The circles lie at (-length, 0) and (0, 0) with `radii` in this order; the straight flanks are their common
    tangents. Source: elementary geometry of the tapered capsule.
    """
    small, large = radii
    slope = (small - large) / length
    flank = math.sqrt(1.0 - slope**2)
    along, across = u + length, np.abs(v)
    position = flank * along - slope * across
    sides = flank * across + slope * along - small
    cervical = np.hypot(along, across) - small
    fundal = np.hypot(u, across) - large
    distance: np.ndarray = np.where(position < 0.0, cervical, np.where(position > flank * length, fundal, sides))
    return distance


def uterus_frame(anatomy: Anatomy, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Map field-of-view coordinates to (u, v)."""
    right, down = x - anatomy.center[0], y - anatomy.center[1]
    cos, sin = math.cos(anatomy.rotation), math.sin(anatomy.rotation)
    u = cos * right + sin * down
    return u, cos * down - sin * right - anatomy.bend * u**2


def layer_distances(anatomy: Anatomy, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances outwards from the endometrium's border and inwards from the outer contour.

    A lesion's bulge belongs to the endometrium's border. Distances are exact up to the bend of the frame.
    """
    inner = pear_distance(u, v, length=anatomy.cavity_length, radii=anatomy.cavity_radii)
    outer = pear_distance(u, v, length=anatomy.outer_length, radii=anatomy.outer_radii)
    if anatomy.lesion is not None:
        inner = np.minimum(inner, _lesion_distance(anatomy, anatomy.lesion, u, v))
    return inner, -outer


def invaded_share(anatomy: Anatomy, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the position within the myometrium: 0 at the junctional zone, 1 at the serosa, negative inside."""
    inner, rest = layer_distances(anatomy, u, v)
    beyond = inner - anatomy.junction
    share: np.ndarray = beyond / np.maximum(np.maximum(beyond, 0.0) + rest - SEROSA_THICKNESS, 1e-6)
    return share


def tissue_at(anatomy: Anatomy, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the tissue label (uint8, see `Tissue`) at each field-of-view coordinate."""
    u, v = uterus_frame(anatomy, x, y)
    inner, rest = layer_distances(anatomy, u, v)
    labels = _surroundings(anatomy, x, y)
    labels[rest > 0.0] = Tissue.SEROSA
    myometrium = rest > SEROSA_THICKNESS
    labels[myometrium] = Tissue.MYOMETRIUM
    for fibroid_u, fibroid_v, radius in anatomy.fibroids:
        labels[myometrium & (np.hypot(u - fibroid_u, v - fibroid_v) < radius)] = Tissue.FIBROID
    labels[inner < anatomy.junction] = Tissue.JUNCTION
    labels[inner < 0.0] = Tissue.ENDOMETRIUM
    if anatomy.lesion is not None:
        lesion = anatomy.lesion
        labels[_lesion_distance(anatomy, lesion, u, v) < 0.0] = Tissue.LESION
        if lesion.depth > 0.0:
            labels[_invasion(anatomy, lesion, u, v)] = Tissue.LESION
    return labels


def _surroundings(anatomy: Anatomy, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    waves = sum(np.cos(fx * x + fy * y + phase) for fx, fy, phase in anatomy.bowel)
    labels = np.where(waves > 1.0, Tissue.BOWEL, Tissue.FAT).astype(np.uint8)
    bladder_x, bladder_y, radius_x, radius_y = anatomy.bladder
    labels[((x - bladder_x) / radius_x) ** 2 + ((y - bladder_y) / radius_y) ** 2 < 1.0] = Tissue.BLADDER
    return labels


def _lesion_distance(anatomy: Anatomy, lesion: Lesion, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Signed distance to the round part of the lesion, whose top lies `bulge` beyond the endometrium."""
    reach = _local_radius(anatomy, lesion) + lesion.bulge - lesion.radius
    center_u = lesion.origin[0] + reach * math.cos(lesion.direction)
    center_v = lesion.origin[1] + reach * math.sin(lesion.direction)
    return np.hypot(u - center_u, v - center_v) - lesion.radius


def _local_radius(anatomy: Anatomy, lesion: Lesion) -> float:
    small, large = anatomy.cavity_radii
    return large + (small - large) * -lesion.origin[0] / anatomy.cavity_length


def _invasion(anatomy: Anatomy, lesion: Lesion, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Where the lesion breaches the junctional zone; deepest, at exactly `depth`, along its middle line."""
    right, down = u - lesion.origin[0], v - lesion.origin[1]
    forward = right * math.cos(lesion.direction) + down * math.sin(lesion.direction)
    sideways = down * math.cos(lesion.direction) - right * math.sin(lesion.direction)
    amplitude, phase = lesion.wobble
    offset = (sideways + amplitude * np.sin(25.0 * forward + phase)) / lesion.width
    front = lesion.depth * np.sqrt(np.clip(1.0 - offset**2, 0.0, None))
    inside = (forward > 0.0) & (np.abs(offset) < 1.0)
    return inside & (invaded_share(anatomy, u, v) <= front)
