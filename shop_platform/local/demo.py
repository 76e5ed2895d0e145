"""``shop demo``: the whole platform on one machine, from an empty folder to verified marts."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from shop_platform.children import Restarts
from shop_platform.errors import ShopError
from shop_platform.ingest.topics import ensure_topics
from shop_platform.ingest.until_end import read_until_end
from shop_platform.local import services
from shop_platform.local.heartbeats import forget_heartbeats
from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.local.processes import FROZEN_SECONDS, Frozen, Supervisor, tree, tree_memory
from shop_platform.local.screen import account, live_screen
from shop_platform.local.stack import Ports, StackFolder
from shop_platform.local.tasks import run_task
from shop_platform.monitoring.services import KAFKA
from shop_platform.operations.status import LedgerCounter, collect
from shop_platform.operations.verify import rebuild_and_compare, reconcile, tell_i1, tell_i2
from shop_platform.orchestration.instance import dagster_services, prepare_home
from shop_platform.orchestration.launch import launch_job, wait_for_run
from shop_platform.settings import Environment, Role, Settings, load
from shop_platform.warehouse.migrate import migrate
from shop_platform.warehouse.service_events import ENDED, FROZEN, STARTED, Events, ServiceEvent

_REFRESH_SECONDS = 2.0
_LIVE_BEFORE_VERIFY_SECONDS = 8.0
# What a child does for the platform, where its name says how.
_CALLED = {"broker": KAFKA}
# A run in which nothing happens for longer is left to itself: Dagster ends what hangs.
_BUILD_SECONDS = 3600


@dataclass(frozen=True)
class DemoOptions:
    """What ``shop demo`` was asked for; ``days`` = 0 starts the stack without a history."""

    days: int
    orders_per_day: int | None
    seed: int
    rate: float
    exit_after: bool


@dataclass
class _Step:
    """A step under way: its bar, and what keeps it from being a success, if something does."""

    bar: Progress
    problem: str = ""

    def show(self, done: int, total: int) -> None:
        """Draw how far it is."""
        self.bar.update(self.bar.task_ids[0], completed=done, total=total or None, count=f"{done:,} / {total:,}")


@dataclass
class _Steps:
    """Shows each step while it runs, and remembers how long it took."""

    console: Console
    timings: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[_Step]:
        started = time.monotonic()
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        step = _Step(bar)
        with bar:
            bar.add_task(name, total=None, count="")
            yield step
        self.timings[name] = time.monotonic() - started
        mark = "[bold red]✗[/]" if step.problem else "[green]✓[/]"
        self.console.print(f"{mark} {name:<36}[dim]{self.timings[name]:6.1f} s[/]", highlight=False)
        if step.problem:
            self.console.print(Text(step.problem, "bold red"), soft_wrap=True)


def run_demo(options: DemoOptions) -> int:
    """Run the demo to its end and return the exit code; Ctrl-C and SIGTERM end every process."""
    base = load()
    if base.env is Environment.PROD:
        raise ShopError("The embedded stack is for development; SHOP_ENV is prod", "Use docker-compose.yml there.")
    console = Console(highlight=False)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # SIGINT too: a background job of a non-interactive shell inherits it ignored.
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    with StackFolder(base.data_dir) as folder:
        folder.require_space()
        ports, notes = folder.choose_ports()
        for note in notes:
            console.print(f"[yellow]{note}[/]")
        settings = folder.settings(ports)
        logs = settings.data_dir / "logs"
        postgres = EmbeddedPostgres(
            settings.data_dir / "pgdata", ports.postgres, settings.password(Role.ADMIN), logs / "postgres.log"
        )
        supervisor = Supervisor(logs)
        try:
            return _Demo(options, settings, ports, folder, postgres, supervisor, _Steps(console)).run(notes)
        except KeyboardInterrupt:
            console.print("ending every process …")
            return 0 if not options.exit_after else 130
        finally:
            with uninterrupted():  # a second Ctrl-C must not leave half of them behind
                supervisor.stop_all()
                postgres.stop()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Finish what is begun, whoever asks this process to end meanwhile."""
    previous = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


@dataclass
class _Demo:
    options: DemoOptions
    settings: Settings
    ports: Ports
    folder: StackFolder
    postgres: EmbeddedPostgres
    supervisor: Supervisor
    steps: _Steps
    frozen: Frozen = field(default_factory=Frozen)

    def run(self, notes: list[str]) -> int:
        self._start_core()
        self._load_history()
        built = self._materialize()
        self.supervisor.start(services.refresher(self.settings))
        if self.options.rate > 0:
            self.supervisor.start(services.live_shop(self.settings, self.options.rate))
        with self.steps.step("dashboard ready"):
            self.supervisor.wait_ready("dashboard")
        if self.options.exit_after:
            return self._verify() or (0 if built else 1)
        self._watch(notes)
        return 0

    def _start_core(self) -> None:
        with self.steps.step("PostgreSQL and Kafka broker"):
            self.postgres.start()
            if self.postgres.note:
                self.steps.console.print(self.postgres.note, style="dim", soft_wrap=True)
            self.supervisor.start(services.broker(self.settings, self.ports.broker))
            self.supervisor.wait_ready("broker")
        with self.steps.step("migrations and topics"):
            migrate(self.settings)
            forget_heartbeats(self.settings)
            ensure_topics(self.settings)
        self.folder.publish(self.settings)
        if not self.options.exit_after:
            self.supervisor.start(services.monitor(self.settings))
        prepare_home(self.settings, code_ports=self.ports.code)
        self.supervisor.start(services.ingest(self.settings))
        # The daemon comes after the history: its sensors would start a run for every part of it.
        for service in dagster_services(self.settings, code_ports=self.ports.code, web_port=self.ports.dagster):
            if service.name != "dagster-daemon":
                self.supervisor.start(service)

    def _load_history(self) -> None:
        if self.options.days > 0:
            arguments = ["--days", str(self.options.days), "--seed", str(self.options.seed), "--progress-json"]
            if self.options.orders_per_day:
                arguments += ["--orders-per-day", str(self.options.orders_per_day)]
            with self.steps.step(f"{self.options.days} days of history into Kafka") as step:
                run_task(
                    "history",
                    [sys.executable, "-m", "shop_platform.cli", "generate", "history", *arguments],
                    self.settings.process_environment(),
                    self.settings.data_dir / "logs",
                    step.show,
                )
        with self.steps.step("ingested exactly once") as step:
            self.supervisor.wait_ready("ingest")
            halts = read_until_end(self.settings, progress=step.show).halts
            step.problem = "\n".join(f"HALTED  {halt.message}\n        {halt.resolution}" for halt in halts)

    def _materialize(self) -> bool:
        """Build everything once; return whether that went well. What failed can be looked at in Dagster."""
        with self.steps.step("Dagster ready"):
            for name in ("dagster-ingestion", "dagster-warehouse", "dagster-web"):
                self.supervisor.wait_ready(name)
            # Queued before the daemon starts, lest its watermark sensor starts a build of its own first.
            run_id = launch_job(self.settings, "full_pipeline")
            for service in dagster_services(self.settings, code_ports=self.ports.code, web_port=self.ports.dagster):
                if service.name == "dagster-daemon":
                    self.supervisor.start(service)
            self.supervisor.wait_ready("dagster-daemon")
        self.supervisor.start(services.dashboard(self.settings))
        with self.steps.step("every asset and check materialized") as step:
            # However it ends (at a data test, for example), it is no error of the command's: the stack stays up, serves
            # what was built and alerts, and the run can be looked at and repeated there.
            try:
                outcome = wait_for_run(self.settings, run_id, on_event=step.show, timeout_seconds=_BUILD_SECONDS)
            except ShopError as error:
                step.problem = error.message
            else:
                if not outcome.succeeded:
                    step.problem = (
                        f"The Dagster run {run_id} ended as {outcome.status} at"
                        f" {', '.join(outcome.failed_steps) or '?'}: {outcome.error or 'no error was recorded'}"
                    )
            if step.problem and not self.options.exit_after:
                step.problem += f"\nSee {self.settings.dagster_url}/runs/{run_id}"
        return not step.problem

    def _verify(self) -> int:
        console = self.steps.console
        if self.options.rate > 0:
            with self.steps.step("live stream"):
                time.sleep(_LIVE_BEFORE_VERIFY_SECONDS)
        with self.steps.step("I1: produced = landed + dead"):
            i1 = reconcile(self.settings)
        with self.steps.step("I2: marts = recomputation"):
            i2 = rebuild_and_compare(self.settings)
        memory = self._memory()
        console.print()
        console.print(account(self.steps.timings, memory))
        console.print()
        for line in (*tell_i1(i1), *tell_i2(i2)):
            console.print(line, markup=False, soft_wrap=True)
        return 0 if i1.holds and i2.holds else 1

    def _tend_postgres(self, restarts: Restarts) -> list[ServiceEvent]:
        """Start PostgreSQL again when it has ended; return what happened."""
        process = self.postgres.process
        happened = []
        if process is not None and process.poll() is None and self.frozen.lasts(process.pid):
            # Not killed as others are: it goes on where it stopped, and recovers nothing.
            for pid in tree(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            said = f"PostgreSQL was stopped for {FROZEN_SECONDS:.0f} s (SIGSTOP) and is continued"
            happened.append(ServiceEvent("postgres", FROZEN, said))
        if restarts.not_before is None and (process is None or process.poll() is not None):
            pause = restarts.ended()
            said = "PostgreSQL ended and is started again" + (f" in {pause:.0f} s" if pause else "")
            happened.append(ServiceEvent("postgres", ENDED, said))
        if restarts.due():
            try:
                self.postgres.start()
                happened.append(ServiceEvent("postgres", STARTED))
            except ShopError as error:
                restarts.ended()
                happened.append(ServiceEvent("postgres", ENDED, f"PostgreSQL could not be started: {error.message}"))
        return happened

    def _log(self, note: str) -> None:
        """Keep what happened where it can be read later, and say it where no screen is drawn."""
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        with (self.settings.data_dir / "logs" / "stack.log").open("a", encoding="utf-8") as log:
            log.write(f"{at} {note}\n")
        if not self.steps.console.is_terminal:
            self.steps.console.print(f"{at} {note}", markup=False, soft_wrap=True)

    def _memory(self) -> dict[str, int]:
        process = self.postgres.process
        memory = {"postgres": tree_memory(process.pid) if process else 0, **self.supervisor.memory()}
        # This process is the parent of all others: count it alone.
        own = tree_memory(os.getpid()) - sum(memory.values())
        return memory | {"shop (this process)": max(own, 0)}

    def _watch(self, notes: list[str]) -> None:
        urls = {
            "Dashboard": f"http://127.0.0.1:{self.ports.dashboard}",
            "Dagster": self.settings.dagster_url,
            "PostgreSQL": f'127.0.0.1:{self.ports.postgres}   eval "$(shop env)" gives psql and dbt the passwords',
            "Kafka": self.settings.kafka_bootstrap,
        }
        console = self.steps.console
        ledger = LedgerCounter(self.settings.ledger_dir)
        if not console.is_terminal:
            console.print("\n".join(f"{name}: {url}" for name, url in urls.items()))
        with (
            Live(console=console, screen=False, auto_refresh=False, transient=True)
            if console.is_terminal
            else (contextlib.nullcontext()) as live
        ):
            restarts, events = Restarts(), Events(self.settings, Role.ORCHESTRATOR)
            while True:
                happened = [*self._tend_postgres(restarts), *self.supervisor.tend()]
                for each in happened:
                    if each.detail:
                        notes.append(each.detail)
                        self._log(each.detail)
                events.add(*(replace(each, service=_CALLED.get(each.service, each.service)) for each in happened))
                if live is not None:
                    shown = live_screen(collect(self.settings, ledger), urls, self._memory(), notes)
                    live.update(shown, refresh=True)
                time.sleep(_REFRESH_SECONDS)
