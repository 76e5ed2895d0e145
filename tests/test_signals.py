"""A loop ends between two transactions; a process that does not come to its end is ended."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_ENDS = """
from shop_platform.signals import stop_on_signals
with stop_on_signals(60.0) as stop:
    print("ready", flush=True)
    stop.wait()
print("ended", flush=True)
"""
# What waits in C is not reached by a handler of Python's; librdkafka's calls are like this one.
_WAITS_IN_C = """
import ctypes
from shop_platform.signals import stop_on_signals
c, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
with stop_on_signals(0.5) as stop:
    print("ready", flush=True)
    c.pthread_mutex_lock(mutex)
    c.pthread_mutex_lock(mutex)
"""
_AFTER_THE_BLOCK = """
import threading
from shop_platform.signals import stop_on_signals
with stop_on_signals(0.5) as stop:
    print("ready", flush=True)
    stop.wait()
threading.Event().wait()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_loop_is_told_and_ends_as_it_likes(number):
    code, said = told(_ENDS, number)
    assert (code, said) == (0, "ended\n")


@pytest.mark.parametrize("program", [_WAITS_IN_C, _AFTER_THE_BLOCK])
def test_what_does_not_end_is_ended_and_says_where_it_was(program):
    code, said = told(program, signal.SIGTERM)
    assert code == 1
    assert "end_takes_too_long" in said and "Traceback" not in said


def told(program, number):
    """Start a program, send it a signal when it is ready, return how it ended and what it said then."""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    return process.returncode, said
