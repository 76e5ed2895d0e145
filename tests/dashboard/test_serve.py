"""The served process: comes up without a warehouse, and goes when told."""

import os
import signal
import subprocess
import sys

import httpx
import pytest

from shop_platform.settings import load
from tests.dashboard.site import serve

pytestmark = pytest.mark.usefixtures("own_servers")


def test_it_serves_the_shell_before_there_is_a_warehouse(tmp_path):
    settings = load(pg_port=1)
    with serve(settings, tmp_path) as site:
        assert httpx.get(f"{site.url}/").status_code == 200
        assert httpx.get(f"{site.url}/healthz", timeout=10).status_code == 503
        assert "Traceback" not in site.log.read_text()


def test_sigterm_ends_it_cleanly_even_with_an_open_connection(seeded_marts, tmp_path):
    with serve(seeded_marts, tmp_path) as site, httpx.Client() as client:
        client.get(f"{site.url}/healthz", timeout=10)
        site.process.send_signal(signal.SIGTERM)
        assert site.process.wait(10) == 0
        assert "Traceback" not in site.log.read_text()


def test_a_wrong_setting_is_told_without_a_stack_trace():
    ended = subprocess.run(
        [sys.executable, "-m", "dashboard.serve"],
        env={**os.environ, "SHOP_SHOP_TZ": "Mars/Olympus"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "SHOP_SHOP_TZ" in ended.stderr
    assert "Traceback" not in ended.stderr
