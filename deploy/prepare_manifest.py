"""Parse the dbt project while an image is built: ``python -m deploy.prepare_manifest <target folder>``."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from shop_platform.errors import ShopError
from shop_platform.orchestration.manifest import ensure_manifest
from shop_platform.settings import Role, load


def main() -> int:
    """Write the manifest below the folder that was named; needs no database."""
    target = Path(sys.argv[1])
    os.environ["DBT_TARGET_PATH"] = str(target)
    os.environ["SHOP_DATA_DIR"] = str(target)
    os.environ["SHOP_ALLOW_SIMULATED_DATA"] = "false"
    # Thrown away with this process: nothing connects, but staging and prod insist on a password.
    for role in Role:
        os.environ[f"SHOP_PG_{role.value.upper()}_PASSWORD"] = secrets.token_urlsafe()
    try:
        sys.stdout.write(f"{ensure_manifest(load())}\n")
    except ShopError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
