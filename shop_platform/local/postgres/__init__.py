"""PostgreSQL from a wheel, never as root."""

from shop_platform.local.postgres.database import ADMIN
from shop_platform.local.postgres.programs import BIN
from shop_platform.local.postgres.server import EmbeddedPostgres

__all__ = ["ADMIN", "BIN", "EmbeddedPostgres"]
