"""Mutual information of an image and its translation: keeps structure without asking for equal contrast."""

from __future__ import annotations

from monai.losses import GlobalMutualInformationLoss
from torch import Tensor

BINS = 16


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
