"""Identifiers that need no memory: entity numbers from the window's start, UUIDv7 from time and number."""

from __future__ import annotations

import numpy as np

from shop_platform.generator.tables import Floats, Ints

_PER_MS = 1000
_DIGITS = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint8).reshape(256, 2)
_HEX_AT = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Numbers:
    """Gives out numbers that are unique over all windows, past and future, of one shop.

    A window that starts at millisecond t owns t * 1000 up to its end * 1000, so a restart that has lost its
    memory cannot give a number twice as long as its windows start later.
    """

    def __init__(self, start: int, end: int) -> None:
        self._next, self._end = start * _PER_MS, end * _PER_MS

    def take(self, count: int) -> Ints:
        """Return ``count`` fresh numbers, ascending."""
        first, self._next = self._next, self._next + count
        if self._next > self._end:
            raise OverflowError("more than a million entities a second in one window")
        return np.arange(first, self._next, dtype=np.int64)


def _mix(value: np.typing.NDArray[np.uint64]) -> np.typing.NDArray[np.uint64]:
    """The finaliser of splitmix64: a bijection whose output looks random."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def uniform(number: Ints, seed: int) -> Floats:
    """Return a draw from [0, 1) for each number: the same for the same number and seed, whenever it is asked for."""
    with np.errstate(over="ignore"):
        salt = _mix(np.array([seed & 0xFFFFFFFFFFFFFFFF], np.uint64) + _GOLDEN)
        mixed = _mix(_mix(number.astype(np.uint64) + salt) + _GOLDEN)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53


def uuid7(time_ms: Ints, number: Ints, seed: int) -> np.typing.NDArray[np.bytes_]:
    """Return UUIDs of version 7 as 36-byte strings: the event's time, then 74 bits hashed from (number, seed).

    The same (time, number, seed) gives the same UUID: a producer that repeats itself after a crash is harmless.
    """
    with np.errstate(over="ignore"):
        salt = _mix(np.array([seed & 0xFFFFFFFFFFFFFFFF], np.uint64) + _GOLDEN)
        first = _mix(number.astype(np.uint64) + salt)
        second = _mix(first + _GOLDEN)
    raw = np.empty((len(time_ms), 2), ">u8")
    raw[:, 0] = (time_ms.astype(np.uint64) << np.uint64(16)) | np.uint64(0x7000) | (first & np.uint64(0xFFF))
    raw[:, 1] = np.uint64(1 << 63) | (second >> np.uint64(2))
    text = np.full((len(time_ms), 36), ord("-"), np.uint8)
    text[:, _HEX_AT] = _DIGITS[raw.view(np.uint8).reshape(-1, 16)].reshape(-1, 32)
    return text.view("S36").ravel()


_CLOCK = np.frombuffer(b"".join(b"%02d:%02d:%02d" % (s // 3600, s // 60 % 60, s % 60) for s in range(86_400)), "S8")
_MILLIS = np.frombuffer(b"".join(b"%03d" % n for n in range(1000)), "S3")


def iso_times(time_ms: Ints) -> np.typing.NDArray[np.bytes_]:
    """Return RFC 3339 UTC times with six decimals, as 27-byte strings."""
    text = np.empty((len(time_ms), 27), np.uint8)
    day, rest = np.divmod(time_ms, 86_400_000)
    days, inverse = np.unique(day, return_inverse=True)
    names = days.astype("datetime64[D]").astype("S10")
    text[:, :10] = names.view(np.uint8).reshape(-1, 10)[inverse]
    text[:, 10] = ord("T")
    text[:, 11:19] = _CLOCK[rest // 1000].view(np.uint8).reshape(-1, 8)
    text[:, 19] = ord(".")
    text[:, 20:23] = _MILLIS[rest % 1000].view(np.uint8).reshape(-1, 3)
    text[:, 23:27] = np.frombuffer(b"000Z", np.uint8)
    return text.view("S27").ravel()
