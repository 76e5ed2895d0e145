"""A warehouse of this folder's, with the dbt project on it: the fixtures of tests/dbt."""

from tests.dbt.conftest import _shop, shop

__all__ = ["_shop", "shop"]
