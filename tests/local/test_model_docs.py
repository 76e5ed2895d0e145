"""The models' documentation is one file that needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shop_platform.errors import ShopError
from shop_platform.local import model_docs
from shop_platform.local.model_docs import build_docs, main

pytestmark = pytest.mark.usefixtures("dbt")


def test_one_page_holds_every_model_its_columns_as_built_and_needs_no_network(tmp_path: Path) -> None:
    page = build_docs(tmp_path / "docs")
    assert [path.name for path in page.parent.iterdir()] == ["models.html"]
    text = page.read_text(encoding="utf-8")
    assert "One row per business day and currency" in text
    # From the warehouse, not from the descriptions: the type as PostgreSQL has it.
    assert re.search(r'"kpi_daily_id"[^}]*"type"\s*:\s*"text"|"type"\s*:\s*"text"[^}]*"kpi_daily_id"', text)
    # dbt's page fills itself from these two files unless they stand in it.
    assert '"model.shop.kpi_daily"' in text and "MANIFEST.JSON INLINE DATA" not in text
    assert not re.search(r"<(script|link)[^>]+(src|href)=.https?:", text)


def test_a_failure_of_dbt_is_a_sentence_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fails(_folder: Path) -> Path:
        raise ShopError("dbt run failed:\n    no such column", "The whole log: x", exit_code=1)

    monkeypatch.setattr(model_docs, "build_docs", fails)
    monkeypatch.setattr("sys.argv", ["model_docs", str(tmp_path)])
    assert main() == 1
    assert capsys.readouterr().err == "dbt run failed:\n    no such column\nThe whole log: x\n"
