"""A job's own warehouse has nothing to do with the stack that runs in the same checkout."""

from __future__ import annotations

from shop_platform.local.scratch import scratch_warehouse
from shop_platform.local.stack import StackFolder
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect


def test_a_running_stack_s_passwords_are_not_taken_for_its_own(tmp_path, monkeypatch, own_servers):
    monkeypatch.setenv("SHOP_DATA_DIR", str(tmp_path))
    with StackFolder(tmp_path) as folder:
        ports, _ = folder.choose_ports()
        folder.publish(folder.settings(ports))
        with scratch_warehouse() as (settings, server):
            assert settings.pg_port == server.port != ports.postgres
            for role in Role:
                connect(settings, role).close()
