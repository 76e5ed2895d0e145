"""Write the present graph to the golden file: ``python -m tests.orchestration.update_golden``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from shop_platform.settings import load
from tests.orchestration.graph import GOLDEN, as_text, build_all, describe

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.write_text(as_text(describe(build_all(load(data_dir=Path(folder))))), encoding="utf-8")
