"""The kinds of panel the boards use, with the looks they share."""

from __future__ import annotations

from textwrap import dedent

from grafana.measures import LAG_LIMIT, MARTS_LIMIT
from grafana.model import Json, Panel, Query

GREEN, YELLOW, RED, BLUE, TEXT = "green", "yellow", "red", "blue", "text"
COLORED_TEXT: Json = {"type": "color-text"}


def steps(base: str, *bounds: tuple[float, str]) -> Json:
    """Return absolute thresholds: ``base`` below the first bound, then each colour from its value on."""
    first: list[Json] = [{"color": base, "value": None}]
    return {
        "mode": "absolute",
        "steps": first + [{"color": color, "value": value} for value, color in bounds],
    }


LAG_COLORS = steps(GREEN, (LAG_LIMIT / 5, YELLOW), (LAG_LIMIT, RED))
MARTS_COLORS = steps(GREEN, (MARTS_LIMIT / 2, YELLOW), (MARTS_LIMIT, RED))
NONE_IS_GOOD = steps(GREEN, (1, RED))
RATE_COLORS = steps(RED, (0.95, YELLOW), (1, GREEN))


def words(**by_value: tuple[str, str]) -> list[Json]:
    """Return value mappings ``value -> (text, colour)``; a leading ``_`` of a name is dropped, so ``_1`` maps 1."""
    options = {
        name.removeprefix("_"): {"index": index, "text": text, "color": color}
        for index, (name, (text, color)) in enumerate(by_value.items())
    }
    return [{"type": "value", "options": options}]


def column(name: str, *, unit: str | None = None, title: str | None = None, **properties: object) -> Json:
    """Return an override for the column or series ``name``; a property's ``__`` stands for a dot."""
    given = {
        "unit": unit,
        "displayName": title,
        **{key.replace("__", "."): value for key, value in properties.items()},
    }
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in given.items() if value is not None],
    }


def stat(
    title: str,
    description: str,
    unit: str,
    sql: str,
    *,
    width: int = 4,
    thresholds: Json | None = None,
    mappings: list[Json] | None = None,
    overrides: tuple[Json, ...] = (),
    decimals: int | None = None,
) -> Panel:
    """Return big numbers: one per numeric column of the single row that ``sql`` gives."""
    defaults: Json = {
        "thresholds": thresholds or steps(BLUE),
        "mappings": mappings or [],
        "noValue": "no data",
    }
    if decimals is not None:
        defaults["decimals"] = decimals
    options: Json = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
        "wideLayout": True,
    }
    return Panel("stat", title, description, unit, (_table(sql),), width, options, defaults, overrides)


def timeseries(
    title: str,
    description: str,
    unit: str,
    *sql: str,
    width: int = 12,
    label: str | None = None,
    style: str = "line",
    stacked: bool = False,
    overrides: tuple[Json, ...] = (),
    min_interval: str = "1m",
    thresholds: Json | None = None,
) -> Panel:
    """Return a chart over time; ``style`` is line, bars or points, ``label`` names the column that names a series."""
    custom: Json = {
        "drawStyle": style,
        "lineWidth": 0 if style == "bars" else 2,
        "fillOpacity": {"bars": 80, "line": 12, "points": 0}[style],
        "pointSize": 6,
        "showPoints": "always" if style == "points" else "auto",
        "spanNulls": False,
        "axisSoftMin": 0,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        "thresholdsStyle": {"mode": "dashed" if thresholds else "off"},
    }
    defaults: Json = {
        "color": {"mode": "palette-classic"},
        "custom": custom,
        "noValue": "no data",
        "thresholds": thresholds or steps(TEXT),
    }
    if label:
        defaults["displayName"] = f"${{__field.labels.{label}}}"
    options: Json = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    queries = tuple(Query(_clean(each), "time_series") for each in sql)
    return Panel("timeseries", title, description, unit, queries, width, options, defaults, overrides, min_interval)


def bars(
    title: str,
    description: str,
    unit: str,
    sql: str,
    *,
    width: int = 12,
    thresholds: Json | None = None,
    decimals: int | None = None,
) -> Panel:
    """Return horizontal bars, one per row of ``sql``: its text column names a bar, its numeric column sizes it."""
    options: Json = {
        "displayMode": "gradient",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": True},
        "showUnfilled": True,
        "valueMode": "color",
        "namePlacement": "left",
        "sizing": "auto",
        "minVizHeight": 16,
        "minVizWidth": 8,
    }
    defaults: Json = {"min": 0, "noValue": "no data", "thresholds": thresholds or steps(BLUE)}
    if thresholds is None:
        defaults["color"] = {"mode": "fixed", "fixedColor": BLUE}
    if decimals is not None:
        defaults["decimals"] = decimals
    return Panel("bargauge", title, description, unit, (_table(sql),), width, options, defaults)


def table(
    title: str,
    description: str,
    sql: str,
    *,
    width: int = 12,
    unit: str = "none",
    columns: tuple[Json, ...] = (),
) -> Panel:
    """Return a table; ``columns`` (see :func:`column`) give units and colours."""
    options: Json = {"cellHeight": "sm", "showHeader": True, "footer": {"show": False}}
    defaults: Json = {
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True},
        "noValue": "",
        "thresholds": steps(TEXT),
    }
    return Panel("table", title, description, unit, (_table(sql),), width, options, defaults, columns)


def alert_list(title: str, description: str, *, width: int = 8) -> Panel:
    """Return the list of the platform's alerts and their states (it has no query)."""
    states = dict.fromkeys(("firing", "pending", "recovering", "noData", "normal", "error"), True)
    options: Json = {
        "viewMode": "list",
        "groupMode": "default",
        "groupBy": [],
        "maxItems": 20,
        "sortOrder": 3,
        "dashboardAlerts": False,
        "alertName": "",
        "stateFilter": states,
    }
    return Panel("alertlist", title, description, "none", (), width, options)


def _table(sql: str) -> Query:
    return Query(_clean(sql), "table")


def _clean(sql: str) -> str:
    return dedent(sql).strip()
