"""The demo as a newcomer runs it, in a closed folder: to its end, again on the same data, interrupted, killed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from confluent_kafka import Producer

from shop_platform.local.ports import RANGE_VARIABLE
from shop_platform.settings import Role
from tests.operations.try_pages import PagesOfTheClone
from tests.support.waiting import eventually
from tests.support.webhook import webhook

ROOT = Path(__file__).parents[2]
DEMO = "--days 4 --orders-per-day 15 --rate 2"


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Give the repository in a folder of mode 700, as a umask of 077 leaves it, with the environment of this one.

    Root's home is such a folder on a fresh machine: the user that PostgreSQL is given may not enter it.
    """
    clone = tmp_path_factory.mktemp("demo") / "root's home" / "Lädchen 1"
    ignored = shutil.ignore_patterns(".git", ".venv*", ".tools", ".shop", ".*_cache", "__pycache__", "build", "target")
    shutil.copytree(ROOT, clone, ignore=ignored)
    subprocess.run(["chmod", "-R", "go=", clone.parent], check=True)
    (clone / "tmp").mkdir(mode=0o700)
    (clone / ".venv").symlink_to(ROOT / ".venv")
    # What the instructions for containers leave in the same folder is not for the stack without them.
    passwords = (f"SHOP_PG_{role.name}_PASSWORD=of-the-containers\n" for role in Role)
    (clone / ".env").write_text("".join(passwords) + "SHOP_ENV=prod\n")
    for file in ("pyproject.toml", "uv.lock", "airflow_bridge/pyproject.toml"):
        os.utime(clone / file, (0, 0))  # nothing is newer than the environment: make does not install it again
    return clone


@pytest.fixture(scope="module")
def hook():
    """Give the webhook that whoever is on call listens to."""
    with webhook() as made:
        yield made


@pytest.fixture(scope="module")
def here(clone, hook):
    """The environment there: a temporary folder that is closed as well, and no HOME."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == RANGE_VARIABLE or (not name.startswith(("SHOP_", "PYTEST_")) and name != "HOME")
    }
    return kept | {"TMPDIR": str(clone / "tmp"), "PYTHONPATH": str(clone), "SHOP_ALERT_WEBHOOK_URL": hook.url}


@pytest.fixture(scope="module")
def demo(clone, here):
    """Begin a command there, with a umask of 077."""

    def begin(*command, **how):
        return subprocess.Popen(
            command,
            cwd=clone,
            env=here,
            umask=0o077,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **{"stderr": subprocess.STDOUT} | how,
        )

    return begin


def ended(running, answer=None):
    """Return how a command ended, what it said, and its complaints if they were kept apart."""
    said, complaints = running.communicate(answer)
    return running.returncode, said, complaints


def shop(demo, *arguments):
    command = (sys.executable, "-m", "shop_platform.cli", *arguments)
    return ended(demo(*command, stderr=subprocess.PIPE))


def make(demo, target, arguments=""):
    return demo("make", target, f"ARGS={arguments}")


def members(clone):
    """Return every process that was started there."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            if str(clone) in f"{words} {process.environ().get('PYTHONPATH')}":
                found.append(process)
        except psutil.Error:
            continue
    return found


def left_of(clone):
    """Return what goes on of a stack that was killed: state and command of each process, after minutes at most."""
    until = time.monotonic() + 300
    while members(clone) and time.monotonic() < until:
        time.sleep(0.5)
    left = []
    for process in members(clone):
        with contextlib.suppress(psutil.Error):
            left.append((process.pid, process.ppid(), process.status(), process.cmdline()))
    return left


def commands(clone):
    """Return the command of every process that was started there."""
    found = []
    for process in members(clone):
        with contextlib.suppress(psutil.Error):
            found.append(process.cmdline())
    return found


def manifest_of(clone):
    return json.loads((clone / ".shop" / "ledger" / "history.json").read_text())


def send_garbage(pages, messages):
    """Send to the orders what is no event, as a broken producer does."""
    producer = Producer({"bootstrap.servers": pages.known["SHOP_KAFKA_BOOTSTRAP"]})
    for number in range(messages):
        producer.produce("shop.orders", b"\xff\xfegarbage %d" % number, key=str(number))
    assert producer.flush(60) == 0


def dead_letters(pages):
    """Return how many there are, from the warehouse: a command that is asked again and again would take a core."""
    with psycopg.connect(pages.address("transform"), autocommit=True) as connection:
        return connection.execute("select count(*) from ops.dead_letters").fetchone()[0]


def told(hook, kind):
    """Return status and incident of each message about an incident of ``kind``, or of one of several."""
    messages = [(body["status"], body["incident"]) for body in hook.received]
    return [(status, incident) for status, incident in messages if incident.startswith(kind)]


def wait_for_line(running, wanted):
    """Read what the demo says until a line holds ``wanted``, and return it; fail with it when the demo ends before."""
    said = []
    for line in running.stdout:
        said.append(line)
        if wanted in line:
            return "".join(said)
    pytest.fail(f"the demo ended without '{wanted}':\n{''.join(said)}")


@contextlib.contextmanager
def running(started):
    """End what was started, with all that it started itself in its group, whatever becomes of the test."""
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()
        started.stdin.close()
        started.stdout.close()


@pytest.mark.timeout(3_600)  # three starts and every page, beside other tests
def test_the_demo_serves_goes_on_with_the_same_data_and_ends_verified(clone, here, demo, hook, own_servers):
    with running(demo(sys.executable, "-m", "shop_platform.cli", "demo", *DEMO.split())) as again:
        wait_for_line(again, "Dashboard:")
        manifest = manifest_of(clone)
        assert len(members(clone)) > 5, "what is looked for at the end can be found"
        (dashboard,) = (each for each in psutil.Process(again.pid).children() if "dashboard.serve" in each.cmdline())
        dashboard.suspend()

        code, _, complaint = shop(demo, "demo", "--exit")
        assert code == 2 and "Another `shop` holds" in complaint
        assert "Traceback" not in complaint

        status = json.loads(shop(demo, "status", "--json")[1])
        assert {"produced", "landed", "dead_lettered", "duplicates", "lag", "reconciled", "freshness_seconds"} <= set(
            status
        )
        assert status["reconciled"] is True and status["landed"] > 0 and status["problems"] == []

        # What was frozen meanwhile is told once, by its silence or by whoever killed it, and over by itself.
        frozen = ("service:dashboard", "frozen:dashboard")
        eventually(lambda: [status for status, _ in told(hook, frozen)] == ["firing", "resolved"])
        pages = PagesOfTheClone(clone, here)
        pages.while_all_is_well()
        pages.of_letters()
        pages.of_a_failing_check()

        send_garbage(pages, 3000)
        eventually(lambda: told(hook, "halt:") == [("firing", "halt:shop.orders:dead_letter_burst")])
        code, said, _ = shop(demo, "status", "--json")
        assert code == 3 and json.loads(said)["halts"]
        (halt,) = (body for body in hook.received if body["incident"].startswith("halt:"))
        assert "shop offsets accept shop.orders" in halt["text"]
        pages.type("halted")

        os.killpg(again.pid, signal.SIGINT)  # Ctrl-C
        code, said, _ = ended(again)
        assert code == 0 and "Traceback" not in said, said
    assert members(clone) == []
    pages.type("down")

    # A halt is a state: the stack starts with it, says what to do, and goes on by itself once that was done.
    with running(demo(sys.executable, "-m", "shop_platform.cli", "demo", *DEMO.split())) as halted:
        said = wait_for_line(halted, "Dashboard:")
        (command,) = re.findall(r"`(\S*shop offsets accept shop\.orders --because '\.\.\.')`", said)
        assert "✗ ingested exactly once" in said and "✓ every asset and check materialized" in said
        code, accepted, complaint = ended(demo("sh", "-c", command, stderr=subprocess.PIPE))
        assert code == 0 and "dead letters are let through" in accepted, complaint
        eventually(lambda: dead_letters(pages) > 3000)
        eventually(lambda: [status for status, _ in told(hook, "halt:")] == ["firing", "resolved"])
        assert halted.poll() is None
        assert [status for status, _ in told(hook, frozen)] == ["firing", "resolved"], "what starts is not frozen"
        assert told(hook, "service:refresher") == [], "the one that ended with the first run is not missed"
        now: dict[str, Any] = {}

        def is_read():
            now.update(json.loads(shop(demo, "status", "--json")[1]))
            return now["lag_by_topic"]["shop.orders"] < 10

        eventually(is_read)
        assert now["dead_lettered"] > 3000 and now["halts"] == []
    assert left_of(clone) == []

    # A start after a kill, of all that happened before: nothing is loaded a second time, nothing is lost.
    code, said, _ = ended(make(demo, "demo-once", DEMO))
    assert code == 0, said
    assert "I1 holds" in said and "I2 holds" in said
    for wanted in ("Where the time went", "What each process holds", "postgres", "dagster-daemon"):
        assert wanted in said
    assert "Traceback" not in said
    assert manifest_of(clone) == manifest
    assert (clone / ".shop" / "pgdata" / "PG_VERSION").exists()
    copied = re.search(r"PostgreSQL runs as '\S+', who may not enter (.*): its programs are copied to (\S+) \(", said)
    if os.geteuid() == 0:
        assert copied and clone.is_relative_to(copied[1]), said
        assert not Path(copied[2]).exists()
    else:
        assert copied is None
    assert members(clone) == []


def test_a_killed_demo_leaves_no_process_behind_and_can_be_reset(clone, demo, own_servers):
    with running(make(demo, "demo", DEMO)) as started:
        wait_for_line(started, "migrations and topics")
        eventually(lambda: any(words[-1:] == ["monitor"] for words in commands(clone)))  # before anything is built
        (killed,) = (each for each in psutil.Process(started.pid).children() if "demo" in each.cmdline())
        killed.kill()
        started.wait()
        assert left_of(clone) == []
    code, said, _ = ended(make(demo, "reset"), "y\n")
    assert code == 0 and "MB removed" in said and not (clone / ".shop").exists(), said


def test_the_tests_run_there_too(demo, own_servers):
    chosen = "tests/local/test_postgres.py -k 'sigkill or no_process' -p no:cacheprovider"
    code, said, _ = ended(make(demo, "test", chosen))
    assert code == 0 and "2 passed" in said, said
