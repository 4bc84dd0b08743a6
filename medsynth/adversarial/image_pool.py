"""Earlier translations, so that discriminators do not forget them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from medsynth.training.processes import own_share, whole_batch


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
