"""Children are restarted, ended with all they started, and never outlive a killed supervisor."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from shop_platform.children import Restarts
from shop_platform.errors import ShopError
from shop_platform.local.demo import _Demo
from shop_platform.local.patience import Patience, work_of
from shop_platform.local.ports import any_free
from shop_platform.local.processes import Service, Supervisor, listeners, tree_memory
from shop_platform.local.services import port_ready
from shop_platform.local.tasks import run_task

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
PARENT = [sys.executable, "-c", f"import subprocess, time; subprocess.Popen({SLEEP!r}); time.sleep(600)"]


def eventually(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition not reached"
        time.sleep(0.05)


@pytest.fixture
def supervisor(tmp_path):
    made = Supervisor(tmp_path / "logs")
    yield made
    made.stop_all()


def family():
    return [
        child for child in psutil.Process().children(recursive=True) if "time.sleep(600)" in " ".join(child.cmdline())
    ]


def sentences(happened):
    return [each.detail for each in happened if each.detail]


def test_stopping_ends_grandchildren_too(supervisor):
    supervisor.start(Service("parent", PARENT))
    eventually(lambda: len(family()) == 2)
    members = family()
    supervisor.stop_all()
    assert not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in members)


def test_a_child_that_dies_is_started_again_and_said(supervisor):
    supervisor.start(Service("sleeper", SLEEP))
    assert supervisor.tend() == []
    family()[0].kill()
    said = []
    eventually(lambda: said.extend(supervisor.tend()) or said)
    assert [each.happened for each in said] == ["ended", "started"]
    assert sentences(said) == ["sleeper ended with code -9 and was started again"]
    eventually(lambda: len(family()) == 1)


def test_a_child_that_always_dies_is_never_given_up_and_the_others_stay(supervisor, tmp_path, monkeypatch):
    monkeypatch.setattr("shop_platform.children._PAUSE_SECONDS", 0.01)
    supervisor.start(Service("broken", [sys.executable, "-c", "raise SystemExit('no license')"]))
    supervisor.start(Service("sleeper", SLEEP))
    said = []
    eventually(lambda: said.extend(supervisor.tend()) or len(sentences(said)) >= 8)
    assert all(sentence.startswith("broken ended with code 1") for sentence in sentences(said))
    log = tmp_path / "logs" / "broken.log"
    assert f"8 times in 5 minutes; it starts again in 1 s. Its log: {log}" in sentences(said)[7]
    assert len(family()) == 1


def test_a_child_that_is_frozen_is_killed_and_started_again(supervisor, monkeypatch):
    monkeypatch.setattr("shop_platform.local.processes.FROZEN_SECONDS", 0.2)
    supervisor.start(Service("sleeper", SLEEP))
    (frozen,) = family()
    frozen.suspend()
    said = []
    eventually(lambda: said.extend(supervisor.tend()) or len(said) == 3)
    assert [each.happened for each in said] == ["frozen", "ended", "started"]
    assert sentences(said) == [
        "sleeper was stopped for 0 s (SIGSTOP) and is killed",
        "sleeper ended with code -9 and was started again",
    ]
    eventually(lambda: len(family()) == 1 and family()[0].pid != frozen.pid)


def test_a_frozen_child_and_its_worker_are_ended_together(supervisor, monkeypatch):
    monkeypatch.setattr("shop_platform.local.processes.FROZEN_SECONDS", 0.2)
    supervisor.start(Service("parent", PARENT))
    eventually(lambda: len(family()) == 2)
    frozen = family()
    for process in frozen:
        process.suspend()
    said = []
    eventually(lambda: said.extend(supervisor.tend()) or len(said) == 3)
    eventually(lambda: not any(process.is_running() for process in frozen))
    eventually(lambda: len(family()) == 2)


def test_a_frozen_postgresql_is_continued_and_not_killed(supervisor, monkeypatch):
    monkeypatch.setattr("shop_platform.local.processes.FROZEN_SECONDS", 0.2)
    with subprocess.Popen(SLEEP) as process:
        try:
            demo = _Demo(None, None, None, None, SimpleNamespace(process=process), supervisor, None)
            psutil.Process(process.pid).suspend()
            said = []
            eventually(lambda: said.extend(demo._tend_postgres(Restarts())) or said)
            assert [(each.service, each.happened) for each in said] == [("postgres", "frozen")]
            eventually(lambda: psutil.Process(process.pid).status() != psutil.STATUS_STOPPED)
            assert demo._tend_postgres(Restarts()) == [] and process.poll() is None
        finally:
            process.kill()


def test_a_child_that_is_stopped_for_a_moment_is_left_alone(supervisor):
    supervisor.start(Service("sleeper", SLEEP))
    (child,) = family()
    for _ in range(3):
        child.suspend()
        assert supervisor.tend() == []
        child.resume()
        assert supervisor.tend() == []
    assert family() == [child]


def test_ends_are_counted_in_a_window_and_pauses_grow_to_a_minute():
    now = 0.0
    restarts = Restarts(clock=lambda: now)
    pauses = []
    for _ in range(9):
        pauses.append(restarts.ended())
        assert restarts.due() == (not pauses[-1])
        now += pauses[-1]
        assert restarts.due() == bool(pauses[-1])
    assert pauses == [0, 2, 4, 8, 16, 32, 60, 60, 60]
    now += 7 * 24 * 3600
    assert restarts.recent == 0 and restarts.ended() == 0


def test_a_program_that_came_first_to_the_port_of_a_service_is_named(supervisor):
    """As gRPC servers do, both set SO_REUSEPORT, so that the second one is not refused."""
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        listen = (
            "import socket, time; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1);"
            f" s.bind(('127.0.0.1', {port})); s.listen(); time.sleep(600)"
        )
        service = Service("code", [sys.executable, "-c", listen], ready=lambda: len(listeners(port)) == 2, port=port)
        supervisor.start(service)
        with pytest.raises(ShopError, match=rf"Port {port} of 'code' is also held by process {os.getpid()}, which is"):
            supervisor.wait_ready("code")


def test_a_service_that_dies_while_starting_shows_its_log(supervisor):
    supervisor.start(Service("early", [sys.executable, "-c", "raise SystemExit('bad flag')"], ready=lambda: False))
    with pytest.raises(ShopError, match=r"(?s)'early' ended with code 1 while starting.*bad flag"):
        supervisor.wait_ready("early")


def test_a_service_that_never_answers_is_not_waited_for_for_ever(supervisor):
    mute = Service("mute", SLEEP, ready=lambda: False, still_seconds=0.3, waits_for="a word")
    supervisor.start(mute)
    with pytest.raises(ShopError, match="'mute' was not ready: waiting for a word, it did nothing for 0 s"):
        supervisor.wait_ready("mute")


def test_what_works_is_waited_for_however_long_it_takes_and_what_only_waits_is_given_up():
    now, work = 0.0, 0
    patience = Patience(lambda: work, still_seconds=300, most_seconds=3600, clock=lambda: now)
    for _ in range(10):
        now, work = now + 290, work + 1
        assert patience.spent() is None
    now += 290
    assert patience.spent() is None
    now += 20
    assert patience.spent() == "it did nothing for 310 s"
    now, work = 3700, work + 1
    assert patience.spent() == "it was at work for 3700 s"


def test_work_is_what_a_process_and_its_children_compute_and_waiting_is_none(supervisor):
    busy = "import os, sys\nwhile sum(os.times()[:2]) < 2.2: pass\nimport time; time.sleep(600)"
    worker = [sys.executable, "-c", busy]
    parent = [sys.executable, "-c", f"import subprocess, time; subprocess.Popen({worker!r}); time.sleep(600)"]
    supervisor.start(Service("parent", parent))
    eventually(lambda: len(family()) == 2)
    root = min(family(), key=lambda each: each.create_time())
    work = work_of(root.pid)
    eventually(lambda: work() >= 2, seconds=120)
    done = work()
    # The child only sleeps now, as its parent did from the start: that time passes is no work.
    assert [work() for _ in range(3)] == [done] * 3
    assert work_of(999_999_999)() == 0


def test_a_service_is_ready_when_it_answers_itself_and_not_when_somebody_else_does(supervisor):
    """A port that answers, a heartbeat that is fresh: both may be of a stack that was started at the same time."""
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        supervisor.start(Service("deaf", SLEEP, ready=port_ready(port), port=port))
        with pytest.raises(ShopError, match=rf"Port {port} of 'deaf' is also held by process {os.getpid()}"):
            supervisor.wait_ready("deaf")
    heard = {os.getpid()}
    supervisor.start(Service("silent", SLEEP, heard=lambda: heard, still_seconds=0.3))
    with pytest.raises(ShopError, match="'silent' was not ready"):
        supervisor.wait_ready("silent")
    heard |= {process.pid for process in psutil.Process().children()}
    supervisor.wait_ready("silent")


def test_a_port_on_which_nobody_listens_is_no_answer_whatever_else_says_ready(supervisor):
    supervisor.start(Service("away", SLEEP, port=any_free(), still_seconds=0.3))
    with pytest.raises(ShopError, match="'away' was not ready"):
        supervisor.wait_ready("away")


def test_a_child_of_the_service_answers_for_it(supervisor):
    def heard():
        return {each.pid for each in family() if each.ppid() != os.getpid()}

    supervisor.start(Service("parent", PARENT, heard=heard, still_seconds=60))
    supervisor.wait_ready("parent")


def test_a_killed_supervisor_takes_its_children_with_it(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from shop_platform.local.processes import Service, Supervisor\n"
        "supervisor = Supervisor(Path(sys.argv[1]))\n"
        f"supervisor.start(Service('orphan', {SLEEP!r}))\n"
        "print('up', flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"up\n"
    (child,) = psutil.Process(parent.pid).children()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not child.is_running())


def test_memory_counts_descendants(supervisor):
    supervisor.start(Service("parent", PARENT))
    eventually(lambda: len(family()) == 2)
    assert supervisor.memory()["parent"] > tree_memory(family()[-1].pid) > 1_000_000
    assert tree_memory(999_999_999) == 0


def test_a_task_reports_progress_and_its_failure(tmp_path):
    seen = []
    talk = "print('noise'); print('{\"done\": 3, \"total\": 9}')"
    run_task("talk", [sys.executable, "-c", talk], {}, tmp_path, lambda done, total: seen.append((done, total)))
    assert seen == [(3, 9)]
    with pytest.raises(ShopError, match=r"(?s)'fail' failed with code 1.*disk on fire"):
        run_task("fail", [sys.executable, "-c", "raise SystemExit('disk on fire')"], {}, tmp_path, lambda *_: None)
