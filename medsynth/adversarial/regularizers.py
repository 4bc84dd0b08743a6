"""Terms that every generator can add to its own: mutual information and texture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from monai.losses import GlobalMutualInformationLoss
from torch import Tensor

if TYPE_CHECKING:
    from medsynth.api import AdversarialConfig

SIDE = 5
DIRECTIONS = 16
BINS = 16


def sliced_texture_distance(images: Tensor, real: Tensor) -> Tensor:
    """Return the sliced Wasserstein-1 distance between patches of two batches, without gradient for `real`.

    Images are freed of their local means of 3 x 3 pixels, so that speckle counts and what is shown hardly does. Every
    patch of 5 x 5 pixels is projected on random directions; per direction the sorted projections of both sets are
    compared, mean of their absolute differences.
    A translator that is too smooth is told so even where a discriminator judges by something else. Patches are taken
    from a window of half the side at the same random place of all images, so that the empty corners of a scan's fan are
    compared with empty corners. Window and directions are drawn from torch's global generator, anew at every call.

    Source: Heitz et al. 2021 (sliced Wasserstein loss for texture synthesis), applied to patches of pixels as in
    Elnekave and Weiss 2022 (direct patch distribution matching).

    Args:
        images: (B, C, H, W) translations.
        real: the same shape, images of the domain that is translated to.
    """
    channels, (height, width) = images.shape[1], images.shape[-2:]
    rows, columns = max(height // 2, SIDE), max(width // 2, SIDE)
    top, left = (int(torch.randint(high + 1, ())) for high in (height - rows, width - columns))
    images, real = (values[..., top : top + rows, left : left + columns] for values in (images, real))
    directions = torch.randn(DIRECTIONS, channels, SIDE, SIDE, device=images.device)
    directions = directions / directions.flatten(1).norm(dim=1)[:, None, None, None]
    with torch.autocast(images.device.type, enabled=False):
        found, wanted = (
            F.conv2d(_details(values.float()), directions).transpose(0, 1).flatten(1).sort(dim=1).values
            for values in (images, real.detach())
        )
        return (found - wanted).abs().mean()


def _details(images: Tensor) -> Tensor:
    """Subtract from every pixel the mean of the 3 x 3 pixels around it."""
    return images - F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), 3, stride=1)


def negative_information(images: Tensor, translations: Tensor) -> Tensor:
    """Return minus the mutual information (nats) of two batches, pixel by pixel, mean of the images' values.

    I(X; Y) = sum over x, y of p(x, y) log(p(x, y) / (p(x) p(y))), with densities from Gaussian windows over 16 bins.
    MONAI computes one joint histogram per image.

    Source: Modanwal et al. 2021 (normalization of breast MRI with cycle-consistent networks), as their consistency.

    Args:
        images: (B, C, H, W) in [-1, 1].
        translations: the same shape.
    """
    measure = GlobalMutualInformationLoss(kernel_type="gaussian", num_bins=BINS)
    value: Tensor = measure((translations.float() + 1) / 2, (images.float() + 1) / 2)
    return value


def regularizers(
    config: AdversarialConfig, *, source: Tensor, target: Tensor, fake_a: Tensor | None, fake_b: Tensor | None
) -> dict[str, Tensor]:
    """Return the unweighted terms whose weight is not 0, one per direction.

    ``information``: `negative_information` of an image and its own translation; ``texture``: `sliced_texture_distance`
    of translations and real images of their domain.

    Args:
        config: the generator's.
        source, target: real images, (B, C, H, W).
        fake_a, fake_b: their translations: `fake_b` is made from `source`, `fake_a` from `target`; None = none.
    """
    ways = {"ab": (source, fake_b, target), "ba": (target, fake_a, source)}
    made = {way: (image, fake, real) for way, (image, fake, real) in ways.items() if fake is not None}
    terms: dict[str, Tensor] = {}
    if config.information_weight:
        terms |= {f"information_{way}": negative_information(image, fake) for way, (image, fake, _) in made.items()}
    if config.texture_weight:
        terms |= {f"texture_{way}": sliced_texture_distance(fake, real) for way, (_, fake, real) in made.items()}
    return terms
