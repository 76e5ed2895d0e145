"""The project compiles for another engine by overriding macros: models and tests say nothing only PostgreSQL knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dbt.portability import offences, ties


def test_nothing_outside_the_portable_macros_is_tied_to_one_engine() -> None:
    assert offences() == []


@pytest.mark.parametrize(
    ("sql", "tie"),
    [
        ("select amount::numeric from t", "a cast by ::"),
        ("select DISTINCT  ON (a) a from t", "distinct on"),
        ("select now() as at", "the clock"),
        ("select current_date", "the clock"),
        ("select a from t where a ILIKE 'x'", "ilike"),
        ("select a from t where a !~ 'x'", "a regular expression by ~"),
        ("select data ->> 'a' from t", "an operator on json"),
        ("select jsonb_array_length(data) from t", "a function on json"),
    ],
)
def test_a_planted_tie_is_found(tmp_path: Path, sql: str, tie: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "planted.sql").write_text(sql)
    assert offences(tmp_path) == [f"models/planted.sql: {tie}"]


def test_a_planted_tie_in_a_description_or_a_macro_is_found(tmp_path: Path) -> None:
    for folder in ("models", "macros/portable", "macros/kpi"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "models" / "m.yml").write_text("models: [{constraints: [{type: check, expression: 'a::int > 0'}]}]")
    (tmp_path / "macros" / "portable" / "fine.sql").write_text("{% macro a() %}x::int{% endmacro %}")
    (tmp_path / "macros" / "kpi" / "both.sql").write_text(
        "{% macro default__a() -%} x::int {%- endmacro %}\n{% macro b() %} y ilike z {% endmacro %}"
    )
    assert offences(tmp_path) == ["macros/kpi/both.sql: ilike", "models/m.yml: a cast by ::"]


def test_jinja_comments_and_literals_are_no_ties() -> None:
    assert ties("select '::' || {{ a ~ b }} -- now()\n/* ilike */ from t where d > date '2026-01-01'") == []
