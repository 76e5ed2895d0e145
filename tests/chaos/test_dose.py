"""Everything at once: two services, a history that is being produced, every process of the shop killed or stopped."""

from __future__ import annotations

import itertools
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from shop_platform.settings import Settings
from tests.chaos.dose import REPEAT, dose
from tests.chaos.mortal import MortalShop
from tests.chaos.processes import Process, committed, eventually, has_read_everything, running, service
from tests.chaos.proof import acknowledged, prove
from tests.chaos.stream import HISTORY_END

pytestmark = pytest.mark.usefixtures("own_servers")

EVENTS = dose(6_000, 150_000)
DAYS = 30
KILLS = dose(1, 15)
STOPS = dose(0, 2)
SERVERS = ["postgres", "broker"]
GENERATORS = dose(1, 3)


class Services:
    """Two `shop ingest`, each started again as soon as it was killed, as a supervisor does it."""

    def __init__(self, settings: Settings, folder: Path, stack: ExitStack) -> None:
        self._settings, self._folder, self._stack = settings, folder, stack
        self._names = itertools.count()
        self.processes = [self._start(), self._start()]

    def _start(self) -> Process:
        return self._stack.enter_context(service(self._settings, self._folder / f"service-{next(self._names)}.log"))

    def kill(self, number: int) -> None:
        self.processes[number].kill()
        self.processes[number] = self._start()

    def stop_and_wake(self, number: int, seconds: float) -> None:
        self.processes[number].send(signal.SIGSTOP)
        time.sleep(seconds)  # beyond the session's end: how long it sleeps is the fault
        self.processes[number].send(signal.SIGCONT)


class Generator:
    """`shop generate history`, killed and started again: it goes on where Kafka's log ends."""

    def __init__(self, settings: Settings, folder: Path, stack: ExitStack, number: int) -> None:
        orders = EVENTS / DAYS / 128
        command = ["-m", "shop_platform.cli", "generate", "history", "--days", str(DAYS), "--until", HISTORY_END]
        command += [
            "--orders-per-day",
            f"{orders:.2f}",
            "--seed",
            str(number),
            "--duplicates",
            "0.02",
            "--late",
            "0.02",
        ]
        self._command, self._settings, self._log, self._stack = command, settings, folder / "generator.log", stack
        self._process = self._start()

    def _start(self) -> Process:
        return self._stack.enter_context(running(self._command, self._settings, self._log))

    def kill(self) -> None:
        self._process.kill()
        self._process = self._start()

    def finish(self) -> None:
        """Wait for the end; a generator that gave up over a lost broker is started again, as it asks to be."""
        while self._process.wait(600) != 0:
            assert "start the generator again" in self._process.tail().replace("\n", " "), self._process.tail()
            self._process = self._start()


def _kill_generator(generator: Generator, settings: Settings, beyond: int) -> None:
    eventually(lambda: len(acknowledged(settings.ledger_dir)) > beyond, "the generator gets on")
    generator.kill()


def test_the_dose(mortal_shop: MortalShop, rng, tmp_path):
    settings = mortal_shop.settings
    faults = [("kill", rng.randrange(2)) for _ in range(KILLS)] + [("stop", rng.randrange(2)) for _ in range(STOPS)]
    faults += [(server, 0) for server in SERVERS]
    rng.shuffle(faults)
    with ExitStack() as stack:
        services = Services(settings, tmp_path, stack)
        generator = Generator(settings, tmp_path, stack, rng.randrange(10**6))
        for turn in range(GENERATORS):
            _kill_generator(generator, settings, EVENTS * turn // (GENERATORS + 1))
        for done, (fault, number) in enumerate(faults):
            goal = EVENTS * (done + 1) // (len(faults) + 2)
            eventually(lambda goal=goal: committed(settings) >= goal, f"{goal} messages are read", 300)
            match fault:
                case "kill":
                    services.kill(number)
                case "stop":
                    services.stop_and_wake(number, rng.uniform(11, 15))
                case server:
                    mortal_shop.kill(server, rng)
        generator.finish()
        eventually(lambda: has_read_everything(settings), "everything is read", 600)
        ended = [p.tail() for p in services.processes if p.popen.poll() is not None]
        assert not ended, f"{ended}; {REPEAT}"
    assert len(acknowledged(settings.ledger_dir)) >= EVENTS * 0.8
    prove(settings, i2=True)
