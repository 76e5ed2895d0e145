"""Settings refuse what would be dangerous, and say which variable is wrong."""

from __future__ import annotations

import pytest

from shop_platform.errors import ShopError
from shop_platform.settings import Role, load

STRONG = {f"pg_{role.value}_password": f"a-long-random-{role.value}" for role in Role}


def test_an_unknown_environment_is_fatal():
    with pytest.raises(ShopError, match=r"SHOP_ENV: .*'dev', 'staging' or 'prod'"):
        load(env="production")


@pytest.mark.parametrize("env", ["staging", "prod"])
def test_default_secrets_are_refused_outside_dev(env):
    with pytest.raises(ShopError, match="SHOP_PG_INGEST_PASSWORD"):
        load(env=env, allow_simulated_data=False, **(STRONG | {"pg_ingest_password": "dev-only-ingest"}))


def test_simulated_data_is_refused_in_prod():
    with pytest.raises(ShopError, match="SHOP_ALLOW_SIMULATED_DATA=false"):
        load(env="prod", **STRONG)
    assert load(env="prod", allow_simulated_data=False, **STRONG).env == "prod"


@pytest.mark.parametrize(("field", "value"), [("shop_tz", "Mars/Olympus"), ("log_format", "xml"), ("pg_port", "many")])
def test_a_wrong_value_names_its_variable(field, value):
    with pytest.raises(ShopError, match=f"SHOP_{field.upper()}"):
        load(**{field: value})


def test_a_service_needs_only_its_own_password_and_passes_no_other_on():
    settings = load(env="staging", pg_dashboard_password="a-long-random-one")
    assert settings.password(Role.DASHBOARD) == "a-long-random-one"
    with pytest.raises(ShopError, match="SHOP_PG_INGEST_PASSWORD"):
        settings.dsn(Role.INGEST)
    given = {name for name in settings.process_environment() if name.endswith("_PASSWORD")}
    assert given == {"SHOP_PG_DASHBOARD_PASSWORD"}


def test_passwords_do_not_show_in_a_printed_settings_object():
    assert "a-long-random" not in repr(load(**STRONG))


def test_a_password_with_url_characters_survives_the_dsn():
    import psycopg.conninfo

    settings = load(pg_ingest_password="p@ss:w/rd?#&")
    assert psycopg.conninfo.conninfo_to_dict(settings.dsn(Role.INGEST))["password"] == "p@ss:w/rd?#&"


def test_a_child_given_the_process_environment_has_the_same_settings(monkeypatch):
    settings = load(pg_port=6000, shop_tz="UTC", allow_simulated_data=False, **STRONG)
    for name, value in settings.process_environment().items():
        monkeypatch.setenv(name, value)
    assert load() == settings
