"""A reader that forgot to end its transaction keeps no other reader waiting, and a build only as long as it lasts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from shop_platform.settings import Role
from shop_platform.warehouse.blockers import sessions_in_the_way
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.dbt.project import Shop
from tests.support.waiting import eventually

READ = "select count(*) from marts.dim_products where product_id in ('desk', 'lamp')"
IT_TRIES = "select from pg_stat_activity where query like '%do $rename$%' and pid <> pg_backend_pid()"


def test_a_build_that_waits_for_a_forgotten_transaction_holds_up_no_reader(shop: Shop) -> None:
    e.write(shop.settings, [e.product_created("desk", "2026-03-01 10:00")])
    shop.dbt.invoke("run", "--select", "+dim_products")
    e.write(shop.settings, [e.product_created("lamp", "2026-03-01 10:00")])
    # The administrator's transaction is not ended after a minute, as a reading role's is.
    with ThreadPoolExecutor(1) as pool, connect(shop.settings, Role.ADMIN) as forgotten:
        assert forgotten.execute(READ).fetchone() == (1,)
        building = pool.submit(shop.dbt.invoke, "run", "--select", "dim_products")
        eventually(lambda: shop.rows(IT_TRIES))
        with connect(shop.settings, Role.DASHBOARD, autocommit=True) as reader:
            for _ in range(20):
                assert reader.execute(READ).fetchone() == (1,)
        with connect(shop.settings, Role.ORCHESTRATOR, autocommit=True) as onlooker:
            (blocker,) = sessions_in_the_way(onlooker)
        assert (blocker.pid, blocker.user) == (forgotten.info.backend_pid, "shop_admin")
        assert blocker.relations == ("marts.dim_products",)
        assert f"pg_terminate_backend({blocker.pid})" in blocker.sentence()
        assert not building.done()
        forgotten.rollback()
        building.result()
    assert shop.rows(READ) == [(2,)]
    with connect(shop.settings, Role.ORCHESTRATOR, autocommit=True) as onlooker:
        assert sessions_in_the_way(onlooker) == []
