"""Expand a Grafana query as Grafana's PostgreSQL source does, so that it can be run without a server.

Order as in Grafana: variables and ``$__interval`` first, then every ``$name(arguments)``, whose arguments end at the
first closing bracket. What is unknown is an error, not left in place.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")
_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
_INTERVAL = re.compile(r"(\d+)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Range:
    """The time range of a board (aware), its interval and the chosen values of its variables."""

    start: dt.datetime
    end: dt.datetime
    interval: str = "1m"
    variables: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


def expand(sql: str, at: Range) -> str:
    """Return plain SQL; raise ``ValueError`` for a macro, variable or format that Grafana would not know."""
    milliseconds = f"{int(seconds(at.interval) * 1000)}"
    sql = sql.replace("$__interval_ms", milliseconds).replace("$__interval", at.interval)
    sql = _VARIABLE.sub(lambda match: _variable(match[1], match[2], at), sql)
    sql = _MACRO.sub(lambda match: _macro(match[1], [each.strip() for each in match[2].split(",")], at), sql)
    if "$" in sql:
        raise ValueError(f"something with '$' is left: {sql[sql.index('$') :][:40]}")
    return sql


def seconds(interval: str) -> float:
    """Return the length of an interval such as ``1m``."""
    match = _INTERVAL.fullmatch(interval)
    if match is None:
        raise ValueError(f"'{interval}' is not an interval")
    return int(match[1]) * _SECONDS[match[2]]


def _variable(name: str, form: str | None, at: Range) -> str:
    if name not in at.variables:
        raise ValueError(f"no variable '{name}' on this board")
    value = at.variables[name]
    if form != "sqlstring":
        raise ValueError(f"variable '{name}' must be quoted with :sqlstring")
    values = [value] if isinstance(value, str) else value
    return ",".join("'" + each.replace("'", "''") + "'" for each in values)


def _macro(name: str, arguments: list[str], at: Range) -> str:
    start, end = (f"'{each.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}'" for each in (at.start, at.end))
    match name, arguments:
        case "__timeFrom", [""]:
            return start
        case "__timeTo", [""]:
            return end
        case "__timeFilter", [column] if column:
            return f"{column} BETWEEN {start} AND {end}"
        case "__timeGroup" | "__timeGroupAlias", [column, interval]:
            length = f"{seconds(interval):g}"
            group = f"floor(extract(epoch from {column})/{length})*{length}"
            return f'{group} AS "time"' if name.endswith("Alias") else group
    raise ValueError(f"Grafana knows no macro ${name}({', '.join(arguments)})")
