import datetime as dt

import pytest

from tests.grafana.macros import Range, expand

AT = Range(
    dt.datetime(2026, 5, 1, tzinfo=dt.UTC),
    dt.datetime(2026, 5, 2, tzinfo=dt.UTC),
    interval="5m",
    variables={"topic": ["a", "o'b"], "currency": "EUR"},
)


def test_macros_and_variables_expand_as_grafana_does() -> None:
    sql = (
        "select $__timeGroupAlias(at, $__interval), $__interval_ms"
        " where $__timeFilter(at) and t in (${topic:sqlstring})"
    )

    assert expand(sql, AT) == (
        'select floor(extract(epoch from at)/300)*300 AS "time", 300000'
        " where at BETWEEN '2026-05-01T00:00:00.000000Z' AND '2026-05-02T00:00:00.000000Z' and t in ('a','o''b')"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "select $__timeSpan(at)",
        "select $__timeFilter()",
        "select ${region:sqlstring}",
        "select ${currency}",
        "select $currency",
    ],
)
def test_what_grafana_would_not_know_is_refused(sql: str) -> None:
    with pytest.raises(ValueError, match=r"macro|variable|left"):
        expand(sql, AT)
