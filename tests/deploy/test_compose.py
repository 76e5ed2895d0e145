"""docker-compose.yml, as compose itself reads it."""

import json
import re
from collections.abc import Callable
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

from deploy.make_env import ROOT, filled
from shop_platform.orchestration import names
from tests.support.compose import compose, compose_available
from tests.support.suites import require

pytestmark = pytest.mark.compose

Json = dict[str, Any]
PROFILES = ("airflow", "demo")
ONCE = {"migrate", "topics", "dagster-migrate", "airflow-database", "airflow-migrate"}
EXAMPLE = (ROOT / ".env.example").read_text("utf-8")
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
# Everything in the file that is a secret, by the name of the service's variable.
SECRET = re.compile(r"PASSWORD|SECRET|FERNET|TOKEN")


@pytest.fixture(scope="session", autouse=True)
def _compose() -> None:
    require("compose", compose_available())


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment file as `deploy/make_env.py` makes it."""
    path = tmp_path_factory.mktemp("env") / "env"
    path.write_text(filled(EXAMPLE), "utf-8")
    return path


def _run(env_file: Path, *arguments: str, profiles: tuple[str, ...] = ()):
    chosen = chain.from_iterable(("--profile", name) for name in profiles)
    home = {"HOME": str(env_file.parent), "PATH": "/usr/bin:/bin"}
    return compose(["--env-file", str(env_file), *chosen, *arguments], cwd=ROOT, environment=home)


@pytest.fixture(scope="session")
def project(secrets: Path) -> Json:
    """The whole project, resolved."""
    answer = _run(secrets, "config", "--format", "json", profiles=PROFILES)
    assert answer.returncode == 0, answer.stderr
    resolved: Json = json.loads(answer.stdout)
    return resolved


def _offenders(services: Json, is_right: Callable[[Json], bool]) -> list[str]:
    return sorted(name for name, service in services.items() if not is_right(service))


@pytest.mark.parametrize("profiles", [c for n in range(len(PROFILES) + 1) for c in combinations(PROFILES, n)])
def test_compose_accepts_the_file_with_every_choice_of_profiles(profiles: tuple[str, ...], secrets: Path) -> None:
    answer = _run(secrets, "config", "--quiet", profiles=profiles)

    assert (answer.returncode, answer.stderr) == (0, "")


def test_every_service_of_the_platform_is_there(project: Json) -> None:
    assert set(project["services"]) == ONCE | {
        *("postgres", "kafka", "ingest", "refresher", "monitor", "generator", "grafana", "dashboard"),
        *("dagster-ingestion", "dagster-warehouse", "dagster-webserver", "dagster-daemon"),
        *("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"),
    }


def test_profiles_hold_exactly_airflow_and_the_simulated_shop(project: Json) -> None:
    by_profile = {
        name: {s for s, service in project["services"].items() if service.get("profiles") == [name]}
        for name in PROFILES
    }

    assert by_profile["demo"] == {"generator"}
    assert by_profile["airflow"] == {name for name in project["services"] if name.startswith("airflow-")}


def test_a_missing_secret_stops_compose_and_is_named(tmp_path: Path) -> None:
    required = re.findall(r"^([A-Z_0-9]+)=$", EXAMPLE, re.MULTILINE)
    assert len(required) >= 10
    for name in required:
        path = tmp_path / name
        path.write_text(re.sub(rf"^{name}=.+$", f"{name}=", filled(EXAMPLE), flags=re.MULTILINE), "utf-8")
        answer = _run(path, "config", "--quiet")

        assert answer.returncode != 0
        assert name in answer.stderr


def test_long_running_services_have_a_health_check_and_come_back(project: Json) -> None:
    running = {name: service for name, service in project["services"].items() if name not in ONCE}

    assert _offenders(running, lambda s: bool(s.get("healthcheck", {}).get("test"))) == []
    assert _offenders(running, lambda s: s.get("restart") == "unless-stopped") == []
    assert _offenders(running, lambda s: "stop_grace_period" in s) == []


def test_a_health_check_needs_nothing_that_only_the_entry_point_sets(project: Json) -> None:
    """Docker runs it without the entry point: Airflow's own check would look into an empty database of its own."""
    for name, service in project["services"].items():
        check = " ".join(service.get("healthcheck", {}).get("test", []))
        assert not re.search(r"\b(airflow jobs|dagster|dagster-daemon) ", check), name


def test_one_shot_jobs_run_once(project: Json) -> None:
    assert _offenders({n: project["services"][n] for n in ONCE}, lambda s: s.get("restart") == "no") == []


def test_every_service_has_limits_and_rotated_logs(project: Json) -> None:
    def limited(service: Json) -> bool:
        limits = service["deploy"]["resources"]["limits"]
        return float(limits["cpus"]) > 0 and int(limits["memory"]) > 0 and int(limits["pids"]) > 0

    def rotated(service: Json) -> bool:
        return {"max-size", "max-file"} <= service["logging"]["options"].keys()

    assert _offenders(project["services"], limited) == []
    assert _offenders(project["services"], rotated) == []


def test_no_service_is_root_or_may_become_it(project: Json) -> None:
    services = project["services"]

    assert _offenders(services, lambda s: s.get("user", "root").split(":")[0] not in {"", "0", "root"}) == []
    assert _offenders(services, lambda s: s.get("cap_drop") == ["ALL"] and not s.get("cap_add")) == []
    assert _offenders(services, lambda s: "no-new-privileges:true" in s.get("security_opt", [])) == []
    assert _offenders(services, lambda s: not s.get("privileged") and "docker.sock" not in json.dumps(s)) == []
    # Kafka's start script writes its configuration into the image.
    assert _offenders(services, lambda s: s.get("read_only") is True) == ["kafka"]


def test_nothing_is_published_beyond_the_loopback_interface(project: Json) -> None:
    published = {name: service["ports"] for name, service in project["services"].items() if service.get("ports")}

    assert set(published) == {"kafka", "dagster-webserver", "dashboard", "grafana", "airflow-api-server"}
    assert all(port["host_ip"] == "127.0.0.1" for ports in published.values() for port in ports)
    numbers = [port["published"] for ports in published.values() for port in ports]
    assert len(set(numbers)) == len(numbers)


def test_only_what_publishes_a_port_or_alerts_can_reach_the_outside(project: Json) -> None:
    assert project["networks"]["app"]["internal"] is True
    assert project["networks"]["data"]["internal"] is True
    outside = {name for name, service in project["services"].items() if "edge" in service["networks"]}

    published = {name for name, service in project["services"].items() if service.get("ports")}
    assert outside == published | {"monitor"}
    # A default network would be a second way out.
    assert set(project["networks"]) == {"edge", "app", "data"}


def test_each_code_location_has_a_server_and_airflow_asks_one_of_them(project: Json) -> None:
    for location, module in names.MODULES.items():
        command = project["services"][f"dagster-{location}"]["command"]
        assert {f"--location-name={location}", f"--module-name={module}"} <= set(command)
    asked = json.loads(project["services"]["airflow-scheduler"]["environment"]["AIRFLOW_CONN_DAGSTER_DEFAULT"])
    assert asked["extra"]["location"] == names.location_of(names.JOB_FULL_PIPELINE)


def test_airflow_notices_the_end_of_a_task_within_a_second(project: Json) -> None:
    """Later, it may fail a deferred task whose run was quick (`airflow_bridge/README.md`)."""
    scheduler = project["services"]["airflow-scheduler"]["environment"]  # it executes the tasks, too
    assert scheduler["AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL"] == "1"


def test_services_wait_for_what_they_need(project: Json) -> None:
    services = project["services"]
    for name, service in services.items():
        for other, wanted in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert wanted["condition"] == expected, f"{name} -> {other}"
    for name in ("ingest", "dashboard", "grafana", "dagster-migrate"):
        assert "migrate" in services[name]["depends_on"]
    assert "topics" in services["ingest"]["depends_on"]


def test_a_service_knows_the_passwords_of_its_own_roles_only(project: Json) -> None:
    knows = {
        name: {key for key in service.get("environment", {}) if re.fullmatch(r"SHOP_PG_\w+_PASSWORD", key)}
        for name, service in project["services"].items()
    }
    roles = {
        name: {key.removeprefix("SHOP_PG_").removesuffix("_PASSWORD") for key in keys} for name, keys in knows.items()
    }

    assert roles["migrate"] == {
        "ADMIN",
        "INGEST",
        "TRANSFORM",
        "ORCHESTRATOR",
        "DASHBOARD",
        "GRAFANA",
        "BI",
        "PRODUCER",
    }
    assert roles["ingest"] == {"INGEST"}
    assert roles["monitor"] == {"INGEST", "ORCHESTRATOR"}
    assert roles["refresher"] == {"TRANSFORM", "ORCHESTRATOR"}
    assert roles["dashboard"] == {"DASHBOARD"}
    assert roles["grafana"] == {"GRAFANA"}
    assert roles["dagster-ingestion"] == {"INGEST", "ORCHESTRATOR"}
    assert roles["dagster-warehouse"] == {"INGEST", "TRANSFORM", "ORCHESTRATOR"}
    assert roles["dagster-webserver"] == roles["dagster-daemon"] == roles["dagster-migrate"] == {"ORCHESTRATOR"}
    assert roles["topics"] == roles["generator"] == roles["kafka"] == set()
    assert [name for name in roles if name.startswith("airflow") and roles[name]] == []


def test_no_secret_has_a_default_or_stands_in_the_file(project: Json, secrets: Path) -> None:
    made = dict(
        line.split("=", 1) for line in secrets.read_text("utf-8").splitlines() if re.match(r"[A-Z_0-9]+=.", line)
    )
    for name, service in project["services"].items():
        for key, value in service.get("environment", {}).items():
            # An empty one is the optional login of a Kafka that has one; what must be given stops compose above.
            if SECRET.search(key) and not key.endswith("_FILE") and value:
                assert value in made.values(), f"{name}: {key} does not come from the environment file"
    assert len(set(made.values())) == len(made), "two secrets are the same"


def _used() -> dict[str, set[str]]:
    """Return every variable of the compose file with the defaults it is given there ('?' for required)."""
    used: dict[str, set[str]] = {}
    without_comments = "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))
    for name, required, default in re.findall(r"(?<!\$)\$\{(\w+)(?:(:\?)[^}]*|:-([^}]*))?\}", without_comments):
        used.setdefault(name, set()).add("?" if required else default)
    return used


def test_the_example_lists_exactly_the_variables_that_compose_reads_with_the_same_defaults() -> None:
    documented = {name: value or "?" for name, value in re.findall(r"^([A-Z]\w+)=(.*)$", EXAMPLE, re.M)}
    documented |= dict(re.findall(r"^#([A-Z]\w+)=(.*)$", EXAMPLE, re.MULTILINE))

    assert _used() == {name: {value} for name, value in documented.items()}


def test_every_variable_of_the_example_is_explained() -> None:
    explained = False
    for line in EXAMPLE.splitlines():
        if re.match(r"#?[A-Z]\w+=", line):
            # A group of alike variables shares the sentence above its first one.
            assert explained, line
        else:
            explained = line.startswith("# ")


def test_what_is_mounted_from_the_repository_exists_and_is_read_only(project: Json) -> None:
    mounts = [m for s in project["services"].values() for m in s.get("volumes", []) if m["type"] == "bind"]

    assert {Path(mount["source"]).relative_to(ROOT).as_posix() for mount in mounts} == {
        *("grafana/provisioning", "grafana/dashboards", "deploy/postgres/airflow_database.sh"),
    }
    assert all(mount.get("read_only") and Path(mount["source"]).exists() for mount in mounts)


def test_named_volumes_are_used_and_only_the_producer_writes_its_ledger(project: Json) -> None:
    mounts = [
        (name, m["source"], m.get("read_only", False))
        for name, s in project["services"].items()
        for m in s.get("volumes", [])
        if m["type"] == "volume"
    ]

    assert {source for _, source, _ in mounts} == set(project["volumes"])
    assert {name for name, source, read_only in mounts if source == "ledger" and not read_only} == {"generator"}


def test_images_are_pinned_to_a_version(project: Json) -> None:
    for name, service in project["services"].items():
        _, _, tag = service["image"].partition(":")
        assert tag, name
        assert tag != "latest", name


def test_grafana_has_every_variable_that_its_provisioning_reads(project: Json) -> None:
    texts = [path.read_text("utf-8") for path in (ROOT / "grafana/provisioning/datasources").iterdir()]
    texts += [(ROOT / "grafana/provisioning/alerting/contact-points.yaml").read_text("utf-8")]
    wanted = set(re.findall(r"\$\{(\w+)\}", "\n".join(texts)))

    assert wanted
    assert wanted <= project["services"]["grafana"]["environment"].keys()
