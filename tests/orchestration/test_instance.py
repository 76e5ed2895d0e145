"""Dagster's home holds no secret, and its processes listen on loopback only."""

from __future__ import annotations

import yaml

from shop_platform.orchestration.instance import dagster_services, prepare_home
from shop_platform.settings import load


def test_the_home_holds_no_password_and_can_be_prepared_again(tmp_path):
    settings = load(data_dir=tmp_path, pg_orchestrator_password="very-secret")
    folder = prepare_home(settings, code_ports={"ingestion": 4266, "warehouse": 4267})
    prepare_home(settings, code_ports={"ingestion": 4268, "warehouse": 4269})
    for path in folder.rglob("*.yaml"):
        assert "very-secret" not in path.read_text()
    workspace = yaml.safe_load((folder / "workspace.yaml").read_text())
    assert [each["grpc_server"] for each in workspace["load_from"]] == [
        {"host": "127.0.0.1", "port": 4268, "location_name": "ingestion"},
        {"host": "127.0.0.1", "port": 4269, "location_name": "warehouse"},
    ]


def test_only_one_run_at_a_time_may_build_models(tmp_path):
    folder = prepare_home(load(data_dir=tmp_path), code_ports={"ingestion": 1})
    configuration = yaml.safe_load((folder / "dagster.yaml").read_text())
    assert configuration["concurrency"]["pools"] == {"default_limit": 1, "granularity": "run"}
    assert configuration["telemetry"] == {"enabled": False}


def test_every_process_gets_the_settings_and_none_listens_beyond_loopback(tmp_path):
    settings = load(data_dir=tmp_path, pg_port=54321)
    made = dagster_services(settings, code_ports={"ingestion": 1, "warehouse": 2}, web_port=3)
    services = {service.name: service for service in made}
    assert list(services) == ["dagster-ingestion", "dagster-warehouse", "dagster-web", "dagster-daemon"]
    for service in services.values():
        assert service.environment["SHOP_PG_PORT"] == "54321"
        assert service.folder == tmp_path / "dagster", "Dagster reads a file .env where it is started"
        assert service.environment["DAGSTER_HOME"] == str(tmp_path / "dagster")
        assert service.environment["DAGSTER_PG_URL"].startswith("postgresql+psycopg2://shop_orchestrator:")
    for name in ("dagster-ingestion", "dagster-warehouse", "dagster-web"):
        assert services[name].argv[services[name].argv.index("--host") + 1] == "127.0.0.1"
