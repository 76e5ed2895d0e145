"""Lint the models' SQL as dbt compiles it, in a warehouse of its own: ``python -m shop_platform.local.lint_sql``.

dbt asks the database whether an incremental model exists already, so compiling needs one. In an empty one this
renders the branch of a full refresh; ``sqlfluff`` by itself (``dbt_project/.sqlfluff``) renders both without dbt.
"""

from __future__ import annotations

import subprocess
import sys

from shop_platform.errors import ShopError
from shop_platform.local.scratch import scratch_warehouse
from shop_platform.operations.dbt import DBT_PROJECT_DIR, dbt_environment

CONFIG = DBT_PROJECT_DIR / "lint" / "compiled.cfg"


def lint(paths: list[str]) -> tuple[bool, str]:
    """Lint ``paths`` (relative to the dbt project); return whether all is well, and what sqlfluff says."""
    with scratch_warehouse() as (settings, _):
        done = subprocess.run(
            [sys.executable, "-m", "sqlfluff", "lint", "--config", str(CONFIG), "--disable-progress-bar", *paths],
            cwd=DBT_PROJECT_DIR,
            env=dbt_environment(settings, target_path=settings.data_dir / "lint"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    return done.returncode == 0, done.stdout


def main() -> int:
    """Lint every model, or the paths that are named; say something only when something is wrong."""
    try:
        well, told = lint(sys.argv[1:] or ["models"])
    except ShopError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
    if not well:
        sys.stdout.write(told)
    return 0 if well else 1


if __name__ == "__main__":
    raise SystemExit(main())
