"""What the images hold and how their helpers behave, as far as no Docker engine is needed."""

import http.server
import os
import re
import shlex
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deploy import healthcheck, make_env
from deploy.make_env import ROOT
from shop_platform.local.ports import any_free
from shop_platform.orchestration import names
from shop_platform.orchestration.instance import instance_configuration, workspace
from shop_platform.settings import Role, load
from shop_platform.warehouse.connect import connect

DOCKERFILES = [ROOT / "deploy/Dockerfile", ROOT / "deploy/airflow/Dockerfile"]


def test_dagster_in_containers_is_configured_like_dagster_on_a_laptop() -> None:
    committed = yaml.safe_load((ROOT / "deploy/dagster/dagster.yaml").read_text("utf-8"))

    assert committed == instance_configuration(load(data_dir=Path("/var/lib/shop")))


def test_the_workspace_has_the_code_servers_of_compose() -> None:
    committed = yaml.safe_load((ROOT / "deploy/dagster/workspace.yaml").read_text("utf-8"))

    assert committed == workspace({location: (f"dagster-{location}", 4000) for location in names.MODULES})


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_a_dockerfile_suits_the_classic_builder_and_ends_without_root(path: Path) -> None:
    instructions = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    text = "\n".join(instructions)

    assert "<<" not in text
    assert "--mount" not in text
    assert "--chmod" not in text
    assert [line for line in instructions if line.startswith("USER ")][-1] != "USER root"
    assert "uv sync --frozen" in text
    assert not re.search(r"PASSWORD|SECRET|TOKEN", text)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_what_a_dockerfile_copies_exists_and_reaches_the_builder(path: Path) -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    copies = [
        source
        for line in path.read_text("utf-8").splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in shlex.split(line)[1:-1]
    ]

    assert copies
    for source in copies:
        assert (ROOT / source).exists(), source
        assert any(each == source or each.startswith(f"{source}/") or source.startswith(f"{each}/") for each in allowed)


def test_the_images_use_the_uv_of_the_repository() -> None:
    version = re.search(r'^version="([\d.]+)"', (ROOT / "scripts/get-uv.sh").read_text("utf-8"), re.MULTILINE)
    assert version
    for path in DOCKERFILES:
        assert f"ARG UV_VERSION={version[1]}" in path.read_text("utf-8")


@pytest.mark.parametrize(
    "script", ["deploy/entrypoint.sh", "deploy/airflow/entrypoint.sh", "deploy/postgres/airflow_database.sh"]
)
def test_a_shell_script_is_sound(script: str) -> None:
    text = (ROOT / script).read_text("utf-8")

    assert text.startswith("#!/bin/sh\n")
    assert "set -eu" in text
    assert subprocess.run(["sh", "-n", str(ROOT / script)], check=False).returncode == 0


def test_the_airflow_entry_point_quotes_passwords_and_hides_the_admins(tmp_path: Path) -> None:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "SHOP_PG_HOST": "db",
        "SHOP_PG_PORT": "5432",
        "SHOP_AIRFLOW_DB_PASSWORD": "a/b@c:d%",
        "SHOP_AIRFLOW_ADMIN_PASSWORD": 'quote"d',
    }
    made = subprocess.run(
        ["sh", str(ROOT / "deploy/airflow/entrypoint.sh"), "env"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "SQL_ALCHEMY_CONN=postgresql+psycopg2://airflow:a%2Fb%40c%3Ad%25@db:5432/airflow\n" in made
    assert "SHOP_AIRFLOW_ADMIN_PASSWORD" not in made
    passwords = tmp_path / "home/passwords.json"
    assert passwords.read_text("utf-8") == '{"admin": "quote\\"d"}\n'
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600


class TestMakeEnv:
    def test_it_fills_every_required_secret_and_keeps_the_rest(self, tmp_path: Path) -> None:
        (tmp_path / ".env.example").write_text("# Why.\nA_PASSWORD=\n#B=1\nC_FERNET_KEY=\n", "utf-8")

        assert make_env.main(tmp_path) == 0
        text = (tmp_path / ".env").read_text("utf-8")
        assert re.fullmatch(r"# Why\.\nA_PASSWORD=[0-9a-f]{48}\n#B=1\nC_FERNET_KEY=[\w-]{43}=\n", text)
        assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600

    def test_it_never_replaces_secrets_that_databases_were_made_with(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / ".env.example").write_text("A_PASSWORD=\n", "utf-8")
        (tmp_path / ".env").write_text("A_PASSWORD=mine\n", "utf-8")

        assert make_env.main(tmp_path) == 2
        assert (tmp_path / ".env").read_text("utf-8") == "A_PASSWORD=mine\n"
        assert "Nothing was changed" in capsys.readouterr().err

    def test_the_script_needs_nothing_that_is_installed(self) -> None:
        command = [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({str(make_env.__file__)!r})"]

        assert subprocess.run(command, check=False).returncode == 0


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/good" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    """A web server that is well at /good only."""
    server = http.server.HTTPServer(("127.0.0.1", 0), _Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class TestHealthCheck:
    def test_an_answer_with_success_is_healthy_and_any_other_is_not(self, web: str) -> None:
        assert healthcheck.main(["http", f"{web}/good"]) == 0
        assert healthcheck.main(["http", f"{web}/bad"]) == 1

    def test_nobody_listening_is_unhealthy(self) -> None:
        port = any_free()

        assert healthcheck.main(["http", f"http://127.0.0.1:{port}/"]) == 1
        assert healthcheck.main(["grpc", f"127.0.0.1:{port}"]) == 1

    @pytest.mark.parametrize("arguments", [[], ["ftp"], ["http"]])
    def test_a_question_without_sense_is_a_usage_error(self, arguments: list[str]) -> None:
        assert healthcheck.main(arguments) == 2

    def test_a_daemon_that_left_no_sign_of_life_is_unhealthy(self, warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in warehouse.settings.process_environment().items():
            monkeypatch.setenv(name, value)

        assert healthcheck.main(["daemon"]) == 1

    def test_airflows_job_is_judged_by_its_heartbeat_on_this_host(
        self, fresh_warehouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = fresh_warehouse.server
        monkeypatch.setenv("SHOP_PG_HOST", "127.0.0.1")
        monkeypatch.setenv("SHOP_PG_PORT", str(server.port))
        monkeypatch.setenv("SHOP_AIRFLOW_DB_PASSWORD", "secret")
        with connect(fresh_warehouse.settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
            # The tests of Airflow may have left theirs in this server; they give it a password whenever they begin.
            if admin.execute("select 1 from pg_roles where rolname = 'airflow'").fetchone() is None:
                admin.execute("create role airflow login")
            admin.execute("alter role airflow password 'secret'")
            admin.execute("create database airflow owner airflow")
            try:
                with connect(fresh_warehouse.settings, Role.ADMIN, database="airflow") as airflow:
                    airflow.execute("set role airflow")
                    # The columns of Airflow's own table that the check reads.
                    airflow.execute(
                        "create table job (job_type text, state text, hostname text, latest_heartbeat timestamptz)"
                    )
                    airflow.execute(
                        "insert into job values ('TriggererJob', 'running', %(host)s, now()),"
                        " ('DagProcessorJob', 'running', %(host)s, now() - interval '5 min'),"
                        " ('SchedulerJob', 'running', 'elsewhere', now())",
                        {"host": socket.gethostname()},
                    )
                script = ROOT / "deploy/airflow/healthcheck.py"
                codes = {
                    job: subprocess.run([sys.executable, str(script), job], capture_output=True, check=False).returncode
                    for job in ("TriggererJob", "DagProcessorJob", "SchedulerJob")
                }
            finally:
                admin.execute("drop database if exists airflow with (force)")

        assert codes == {"TriggererJob": 0, "DagProcessorJob": 1, "SchedulerJob": 1}

    def test_a_database_that_is_away_is_unhealthy_without_a_stack_trace(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("SHOP_PG_PORT", str(any_free()))

        assert healthcheck.main(["daemon"]) == 1
        assert capsys.readouterr().err.startswith("daemon: PostgreSQL at ")
