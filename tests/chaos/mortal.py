"""A shop whose servers a test may kill and start again, at the same address and with the same data."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from shop_platform.local.broker.process import BrokerProcess
from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.chaos.dose import dose
from tests.support.broker import start_broker_that_keeps


@dataclass
class MortalShop:
    """Settings and servers of the shop."""

    settings: Settings
    postgres: EmbeddedPostgres
    broker: BrokerProcess
    broker_folder: Path

    def restart_broker(self) -> None:
        """Start the broker again."""
        self.broker = start_broker_that_keeps(self.broker_folder, self.broker.port)

    def kill(self, which: str, rng: random.Random) -> None:
        """SIGKILL, a while of nothing, and a new start."""
        if which == "backend":
            self._kill_backend()
            return
        if which in {"postgres", "both"}:
            self.postgres.kill()
        if which in {"broker", "both"}:
            self.broker.kill()
        time.sleep(rng.uniform(0, dose(1.0, 8.0)))  # how long an outage takes is part of the fault
        if which in {"postgres", "both"}:
            self.postgres.start()
        if which in {"broker", "both"}:
            self.restart_broker()

    def _kill_backend(self) -> None:
        """SIGKILL the server process that writes; the postmaster then ends all others and recovers."""
        with connect(self.settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
            pids = admin.execute("select pid from pg_stat_activity where usename = 'shop_ingest'").fetchall()
        if pids:
            os.kill(int(str(pids[0][0])), signal.SIGKILL)
