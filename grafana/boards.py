"""Turn a board into Grafana's classic dashboard JSON (schema version 42)."""

from __future__ import annotations

from grafana.model import DATASOURCE, Annotation, Board, Json, Panel, Query, Section, Variable

SCHEMA_VERSION = 42
COLUMNS = 24
TAG = "shop"


def render(board: Board) -> Json:
    """Return the dashboard of ``board``; raise ``ValueError`` when a line of panels does not fill the grid."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": board.refresh,
        "time": {"from": board.time_from, "to": "now"},
        "timepicker": {},
        # Empty: the viewer's default, which the deployment sets to the shop's time zone.
        "timezone": "",
        "weekStart": "monday",
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "preload": False,
        "links": [_board_links()],
        "annotations": {"list": [_annotation(each) for each in board.annotations]},
        "templating": {"list": [_variable(each) for each in board.variables]},
        "panels": _place(board.sections),
    }


def _place(sections: tuple[Section, ...]) -> list[Json]:
    """Lay the sections out from top to bottom and number the panels."""
    placed: list[Json] = []
    y = 0
    for section in sections:
        placed.append(_header(section.title, len(placed) + 1, y))
        y += 1
        for line, height in zip(section.lines, section.heights, strict=True):
            used = sum(panel.width for panel in line)
            if used != COLUMNS:
                raise ValueError(f"a line of '{section.title}' is {used} columns wide, not {COLUMNS}")
            x = 0
            for panel in line:
                box = {"x": x, "y": y, "w": panel.width, "h": height}
                placed.append(_panel(panel, len(placed) + 1, box))
                x += panel.width
            y += height
    return placed


def _header(title: str, identifier: int, y: int) -> Json:
    box = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
    return {"id": identifier, "type": "row", "title": title, "collapsed": False, "gridPos": box, "panels": []}


def _panel(panel: Panel, identifier: int, box: Json) -> Json:
    rendered: Json = {
        "id": identifier,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "gridPos": box,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, **panel.defaults},
            "overrides": list(panel.overrides),
        },
        "options": panel.options,
    }
    if panel.queries:
        rendered["datasource"] = DATASOURCE
        rendered["targets"] = [target(query, chr(ord("A") + index)) for index, query in enumerate(panel.queries)]
    if panel.min_interval:
        rendered["interval"] = panel.min_interval
    return rendered


def target(query: Query, reference: str) -> Json:
    """Return the query as a panel, annotation or alert rule holds it."""
    return {
        "refId": reference,
        "datasource": DATASOURCE,
        "format": query.format,
        "editorMode": "code",
        "rawQuery": True,
        "rawSql": query.sql,
    }


def _variable(variable: Variable) -> Json:
    common: Json = {
        "name": variable.name,
        "label": variable.label,
        "description": variable.description,
        "hide": 0,
        "skipUrlSync": False,
        "multi": variable.multi,
        "includeAll": variable.multi,
    }
    everything: Json = {"selected": True, "text": ["All"], "value": ["$__all"]}
    if variable.sql is not None:
        return common | {
            "type": "query",
            "datasource": DATASOURCE,
            "query": variable.sql,
            "definition": variable.sql,
            "refresh": 1,
            "sort": 0,
            "regex": "",
            "options": [],
            "current": everything if variable.multi else {},
        }
    return common | {
        "type": "custom",
        "query": ",".join(variable.values),
        "options": [{"selected": False, "text": value, "value": value} for value in variable.values],
        "current": everything if variable.multi else {"text": variable.values[0], "value": variable.values[0]},
    }


def _annotation(annotation: Annotation) -> Json:
    return {
        "name": annotation.name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": annotation.color,
        "target": target(Query(annotation.sql), "Anno"),
    }


def _board_links() -> Json:
    """Every board links to the others of the shop and keeps the time range on the way."""
    return {
        "type": "dashboards",
        "title": "Shop boards",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
