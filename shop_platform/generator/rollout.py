"""The rollout of a new version of an event: which of the shop's servers already emits it (pure)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shop_platform.generator.ids import uniform
from shop_platform.generator.tables import Ints, Mask


@dataclass(frozen=True)
class Rollout:
    """Before ``start`` (epoch ms) the old version is emitted, from ``start + lasts`` (ms) on the new, mixed between."""

    start: int
    lasts: int
    seed: int

    def is_new(self, time: Ints, number: Ints) -> Mask:
        """Return which events of these times (epoch ms) are emitted in the new version.

        ``number`` is the entity's: it stands for the server that deals with it. Whatever the windows in which it is
        asked for, the answer is the same; for one entity it never goes back.
        """
        share = (time - self.start) / self.lasts if self.lasts > 0 else (time >= self.start).astype(np.float64)
        new: Mask = uniform(number, self.seed) < share
        return new
