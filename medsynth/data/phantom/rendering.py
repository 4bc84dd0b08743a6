"""The phantom's two scanners: a T2-like MRI and a B-mode ultrasound of the same anatomy.

Both return (size, size) float32 in [0, 1], rows down, columns to the right, over the field of view of
`medsynth.data.phantom.anatomy`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medsynth.data.phantom.anatomy import Anatomy, Tissue, tissue_at

T2_SIGNAL = {
    Tissue.FAT: 0.66,
    Tissue.BOWEL: 0.40,
    Tissue.BLADDER: 0.95,
    Tissue.SEROSA: 0.22,
    Tissue.MYOMETRIUM: 0.46,
    Tissue.JUNCTION: 0.16,
    Tissue.ENDOMETRIUM: 0.88,
    Tissue.LESION: 0.68,
    Tissue.FIBROID: 0.22,
}
"""Mean T2-weighted signal of each tissue, 1 = white."""

ECHO = {
    Tissue.FAT: -6.0,
    Tissue.BOWEL: -12.0,
    Tissue.BLADDER: -45.0,
    Tissue.SEROSA: 3.0,
    Tissue.MYOMETRIUM: -11.0,
    Tissue.JUNCTION: -22.0,
    Tissue.ENDOMETRIUM: 0.0,
    Tissue.LESION: -3.0,
    Tissue.FIBROID: -19.0,
}
"""Mean echogenicity of each tissue in dB, 0 = endometrium."""

ATTENUATION = {
    Tissue.FAT: 6.0,
    Tissue.BOWEL: 7.0,
    Tissue.BLADDER: 0.0,
    Tissue.SEROSA: 6.0,
    Tissue.MYOMETRIUM: 6.0,
    Tissue.JUNCTION: 6.0,
    Tissue.ENDOMETRIUM: 4.0,
    Tissue.LESION: 6.0,
    Tissue.FIBROID: 24.0,
}
"""Two-way attenuation of each tissue in dB per unit of length; time gain compensation removes 6 dB per unit."""

SUPERSAMPLING = 3
RICIAN_SIGMA = 0.05
APEX = -1.35
"""y of the sector's virtual apex; it lies on x = 0."""
NEAR, FAR = 0.35, 2.30
"""Radii of the probe's surface and of the deepest echo, from the apex."""
HALF_ANGLE = math.radians(50.0)
OVERSAMPLING = 1.5
"""Polar samples per pixel."""
DYNAMIC_RANGE = 50.0
HEADROOM = 9.0
"""Decibels shown, and how many of them lie above the endometrium's mean echo."""
COMPENSATED = 6.0
LOOKS = 3
"""Scans with independent speckle that are averaged in power (compounding)."""


@dataclass(frozen=True)
class PolarGrid:
    """Samples of a sector scan: radii from the apex and angles from the downward axis, radians, both ascending."""

    radii: np.ndarray
    angles: np.ndarray

    @classmethod
    def of(cls, size: int) -> PolarGrid:
        """Return the grid for images of `size` pixels."""
        pixel = 2.0 / size
        rows = math.ceil(OVERSAMPLING * (FAR - NEAR) / pixel)
        columns = math.ceil(OVERSAMPLING * 1.35 * 2.0 * HALF_ANGLE / pixel)
        return cls(np.linspace(NEAR, FAR, rows), np.linspace(-HALF_ANGLE, HALF_ANGLE, columns))


def pixel_grid(size: int, *, supersampling: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y, each (n, n) with n = size * supersampling, of pixel centers in the field of view."""
    count = size * supersampling
    axis = (np.arange(count) + 0.5) * 2.0 / count - 1.0
    x, y = np.meshgrid(axis, axis)
    return x, y


def tissue_mask(anatomy: Anatomy, size: int) -> np.ndarray:
    """Return the tissue at each pixel center, (size, size) uint8, see `Tissue`."""
    return tissue_at(anatomy, *pixel_grid(size))


def render_mri(anatomy: Anatomy, size: int, rng: np.random.Generator) -> np.ndarray:
    """Render a T2-like MRI: tissue contrast, partial volume, bias field and Rician noise."""
    labels = tissue_at(anatomy, *pixel_grid(size, supersampling=SUPERSAMPLING))
    contrast = _table(T2_SIGNAL) * rng.uniform(0.92, 1.08, len(Tissue))
    fine = contrast[labels].reshape(size, SUPERSAMPLING, size, SUPERSAMPLING)
    signal = fine.mean(axis=(1, 3)) * (1.0 + 0.06 * _smooth_noise(size, rng)) * _bias_field(size, rng)
    image: np.ndarray = np.clip(rician(signal, RICIAN_SIGMA, rng), 0.0, 1.0).astype(np.float32)
    return image


def rician(signal: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Return the magnitude of `signal` with complex Gaussian noise of deviation `sigma` per channel.

    Source: Gudbjartsson and Patz, The Rician distribution of noisy MRI data, 1995; E[m^2] = signal^2 + 2 sigma^2.
    """
    real = signal + sigma * rng.standard_normal(signal.shape)
    magnitude: np.ndarray = np.hypot(real, sigma * rng.standard_normal(signal.shape))
    return magnitude


def _bias_field(size: int, rng: np.random.Generator) -> np.ndarray:
    """Multiplicative coil sensitivity: the exponential of a random quadratic, about +-20 %."""
    x, y = pixel_grid(size)
    weights = rng.normal(0.0, 0.09, 5)
    field: np.ndarray = np.exp(sum(w * term for w, term in zip(weights, (x, y, x * y, x * x, y * y), strict=True)))
    return field


def _smooth_noise(size: int, rng: np.random.Generator) -> np.ndarray:
    """Tissue texture: a sum of random plane waves with unit variance, up to about 10 periods across."""
    x, y = pixel_grid(size)
    waves = rng.uniform(-30.0, 30.0, (8, 2))
    phases = rng.uniform(0.0, 2.0 * math.pi, 8)
    total: np.ndarray = sum(np.cos(a * x + b * y + p) for (a, b), p in zip(waves, phases, strict=True))
    return total / 2.0


def render_ultrasound(anatomy: Anatomy, size: int, rng: np.random.Generator) -> np.ndarray:
    """Render a transvaginal B-mode scan of the same anatomy; 0 outside the sector.

    Random scatterers with the tissue's echogenicity pass a point spread that widens away from the focus; tissue
    attenuation with time gain compensation, shadows, log compression and scan conversion follow.
    """
    grid = PolarGrid.of(size)
    x = grid.radii[:, None] * np.sin(grid.angles)
    y = grid.radii[:, None] * np.cos(grid.angles) + APEX
    labels = tissue_at(anatomy, x, y)
    echo = (_table(ECHO) + rng.normal(0.0, 1.5, len(Tissue)))[labels]
    axial, lateral = point_spread(grid, size)
    amplitude = 10.0 ** (echo / 20.0)
    looks = [speckle_envelope(amplitude, axial, lateral, rng) for _ in range(LOOKS)]
    envelope = np.sqrt(np.mean(np.square(looks), axis=0))
    level = 20.0 * np.log10(envelope + 1e-6) - _loss(labels, grid) - _shadows(grid, rng) + rng.normal(0.0, 1.5)
    shown = np.clip(1.0 + (level - HEADROOM) / DYNAMIC_RANGE, 0.0, 1.0)
    return scan_convert(shown, grid, size)


def point_spread(grid: PolarGrid, size: int) -> tuple[float, np.ndarray]:
    """Return the Gaussian deviations in samples: axial, and lateral for every radius of `grid`.

    The pulse is as short as the pixel allows; the beam is narrowest at its focus in the middle of the sector.
    """
    pixel = 2.0 / size
    step = grid.radii[1] - grid.radii[0]
    focus = 0.5 * (NEAR + FAR)
    width = max(0.014, 0.6 * pixel) * (1.0 + 0.8 * ((grid.radii - focus) / focus) ** 2)
    spacing = grid.radii * (grid.angles[1] - grid.angles[0])
    return float(max(0.007, 0.4 * pixel) / step), width / spacing


def speckle_envelope(amplitude: np.ndarray, axial: float, lateral: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the envelope (rows, columns) of echoes from random scatterers in polar coordinates.

    Many unresolved scatterers per sample make the echo circular complex Gaussian (fully developed speckle), so the
    envelope of homogeneous tissue is Rayleigh distributed with mean square ``amplitude**2``.
    Source: Wagner et al., Statistics of speckle in ultrasound B-scans, 1983.

    Args:
        amplitude: (rows, columns), root mean square echo of the tissue.
        axial: deviation of the pulse in rows.
        lateral: (rows,), deviation of the beam in columns.
        rng: source of the scatterers.
    """
    scatterers = rng.standard_normal((2, *amplitude.shape), dtype=np.float32)
    echo = (scatterers[0] + 1j * scatterers[1]) * (amplitude / math.sqrt(2.0)).astype(np.float32)
    echo = _spread(echo, lateral)
    envelope: np.ndarray = np.abs(_spread(echo.T, np.full(echo.shape[1], axial)).T)
    return envelope


def _spread(field: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Convolve each row with a Gaussian of its own deviation and unit energy; reflects at the ends."""
    reach = math.ceil(3.0 * float(deviations.max()))
    offsets = np.arange(-reach, reach + 1)
    kernels = np.exp(-0.5 * (offsets / deviations[:, None]) ** 2)
    kernels = (kernels / np.sqrt((kernels**2).sum(axis=1, keepdims=True))).astype(np.float32)
    padded = np.pad(field, ((0, 0), (reach, reach)), mode="reflect")
    result = np.zeros_like(field)
    for index in range(len(offsets)):
        result += kernels[:, index, None] * padded[:, index : index + field.shape[1]]
    return result


def _loss(labels: np.ndarray, grid: PolarGrid) -> np.ndarray:
    """Accumulated attenuation in dB that time gain compensation leaves over; negative behind fluid."""
    step = grid.radii[1] - grid.radii[0]
    loss: np.ndarray = np.cumsum(_table(ATTENUATION)[labels] - COMPENSATED, axis=0) * step
    return loss


def _shadows(grid: PolarGrid, rng: np.random.Generator) -> np.ndarray:
    """Loss in dB behind gas or poor contact: soft-edged beams that begin at a random depth."""
    loss = np.zeros((len(grid.radii), len(grid.angles)))
    for _ in range(rng.integers(0, 3)):
        center, width = rng.uniform(-HALF_ANGLE, HALF_ANGLE), rng.uniform(0.03, 0.09)
        begin, strength = rng.uniform(NEAR, FAR), rng.uniform(4.0, 12.0)
        profile = np.exp(-0.5 * ((grid.angles - center) / width) ** 2)
        loss += strength * profile * np.clip((grid.radii - begin) / 0.1, 0.0, 1.0)[:, None]
    return loss


def scan_convert(polar: np.ndarray, grid: PolarGrid, size: int) -> np.ndarray:
    """Interpolate polar samples bilinearly at pixel centers; 0 outside the sector. (size, size) float32."""
    x, y = pixel_grid(size)
    inside = in_sector(size)
    radius, angle = np.hypot(x, y - APEX)[inside], np.arctan2(x, y - APEX)[inside]
    row = (radius - NEAR) / (FAR - NEAR) * (len(grid.radii) - 1)
    column = (angle + HALF_ANGLE) / (2.0 * HALF_ANGLE) * (len(grid.angles) - 1)
    top = np.minimum(row.astype(int), len(grid.radii) - 2)
    left = np.minimum(column.astype(int), len(grid.angles) - 2)
    down, right = row - top, column - left
    upper = polar[top, left] * (1.0 - right) + polar[top, left + 1] * right
    lower = polar[top + 1, left] * (1.0 - right) + polar[top + 1, left + 1] * right
    image = np.zeros((size, size), dtype=np.float32)
    image[inside] = upper * (1.0 - down) + lower * down
    return image


def in_sector(size: int) -> np.ndarray:
    """Return which pixel centers the sector covers, (size, size) bool."""
    x, y = pixel_grid(size)
    radius, angle = np.hypot(x, y - APEX), np.arctan2(x, y - APEX)
    inside: np.ndarray = (radius >= NEAR) & (radius <= FAR) & (np.abs(angle) <= HALF_ANGLE)
    return inside


def _table(values: dict[Tissue, float]) -> np.ndarray:
    return np.array([values[tissue] for tissue in Tissue])
