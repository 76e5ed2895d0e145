"""Vectorised draws that NumPy does not have ready."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shop_platform.generator.tables import Floats, Ints

Weights = Sequence[float] | Floats


def choose(rng: np.random.Generator, weights: Weights, count: int) -> Ints:
    """Return ``count`` positions, each drawn with the given weights (which need not add up to one)."""
    cumulated = np.cumsum(weights)
    return pick(rng.random(count), cumulated)


def pick(uniform: Floats, cumulated: Floats) -> Ints:
    """Return the position of each uniform number in cumulated weights."""
    found = np.searchsorted(cumulated, uniform * cumulated[-1], side="right")
    result: Ints = np.minimum(found, len(cumulated) - 1)
    return result


def choose_by_row(rng: np.random.Generator, weights: Sequence[Sequence[float]], row: Ints) -> Ints:
    """Return one position per element, drawn with the weights of its row of the matrix."""
    cumulated = np.cumsum(np.asarray(weights, np.float64), axis=1)
    cumulated /= cumulated[:, -1:]
    chosen: Ints = (rng.random(len(row))[:, None] >= cumulated[row][:, :-1]).sum(axis=1)
    return chosen


def round_half_up(value: Floats) -> Ints:
    """Return money rounded to whole cents, halves up."""
    return np.floor(value + 0.5 + 1e-9).astype(np.int64)


def share_of(cents: Ints, part: Ints, whole: Ints) -> Ints:
    """Return ``cents * part / whole`` in whole cents, half up; exactly ``cents`` for the whole."""
    result: Ints = (2 * cents * part + whole) // (2 * whole)
    return result
