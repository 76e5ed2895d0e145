"""The models' documentation as one HTML file: ``python -m shop_platform.local.model_docs [FOLDER]``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from shop_platform.errors import ShopError
from shop_platform.local.scratch import scratch_warehouse
from shop_platform.operations.dbt import run_dbt
from shop_platform.settings import PROJECT_ROOT


def build_docs(folder: Path) -> Path:
    """Build the models in a warehouse of their own and write ``FOLDER/models.html``: lineage, columns, types, tests.

    The page needs no server and no network. Raises :class:`ShopError` when dbt fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with scratch_warehouse() as (settings, _):
        target = settings.data_dir / "docs"
        sys.stderr.write("building the models in an empty warehouse …\n")
        run_dbt(settings, ["run"], target_path=target)
        sys.stderr.write("writing the documentation …\n")
        run_dbt(settings, ["docs", "generate", "--static"], target_path=target)
        page = folder / "models.html"
        shutil.copyfile(target / "static_index.html", page)
    return page


def main() -> int:
    """Write the page and say where it is."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT_ROOT / "build" / "docs"
    try:
        page = build_docs(folder)
    except ShopError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
    sys.stdout.write(f"{page} ({page.stat().st_size / 1e6:.1f} MB): open it in a browser\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
