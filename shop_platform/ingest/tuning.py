"""Process settings while batches are read: fewer garbage collections, shorter turns for the writer, fewer heaps."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator

# A batch makes tens of thousands of tuples that die by reference count; looking for cycles among them every 700 costs
# a fifth of the decoding.
_GC_THRESHOLD = (200_000, 20, 50)
# The writer's thread needs the interpreter for moments only, but for many of them.
_SWITCH_SECONDS = 0.001
# glibc gives every thread a heap of its own, and librdkafka has one for each broker: what one thread asks for and
# another gives back leaves holes in all of them. Two heaps grow less: docs/benchmarks.md.
_M_ARENA_MAX, _HEAPS = -8, 2


@contextlib.contextmanager
def tuned_interpreter() -> Iterator[None]:
    """Apply the settings for the length of the block and put the former ones back (the limit of heaps stays)."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such limit
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)
    thresholds, switch = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(*_GC_THRESHOLD)
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(switch)
