"""Events that were reported over REST, made whole: what Dagster's REST has no field for comes as metadata.

Dagster's web server takes asset events of other processes. It knows no description of a check, and no column lineage:
every value of metadata is text, a number or JSON. Both are put where they belong before the event is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent
from dagster_shared.record import replace

from shop_platform.dagster_rest import DESCRIPTION, LINEAGE


def whole(entry: dg.EventLogEntry) -> dg.EventLogEntry:
    """Return the event as it should be stored; most are as they should be."""
    event = entry.dagster_event
    if event is None:
        return entry
    if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return _with_data(entry, event, _check(event.event_specific_data))
    if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
        return _with_data(entry, event, _materialization(event.event_specific_data))
    return entry


def column_lineage(columns: Mapping[str, Any]) -> dg.TableColumnLineage:
    """Return Dagster's lineage of ``columns``, as it is reported (:data:`shop_platform.dagster_rest.LINEAGE`)."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(dg.AssetKey(asset.split("/")), name) for asset, name in sources]
            for column, sources in columns.items()
        }
    )


def _check(evaluation: Any) -> Any:
    told = evaluation.metadata.get(DESCRIPTION)
    if evaluation.description is not None or not isinstance(told, dg.TextMetadataValue):
        return evaluation
    rest = {name: value for name, value in evaluation.metadata.items() if name != DESCRIPTION}
    return replace(evaluation, description=told.value, metadata=rest)


def _materialization(data: Any) -> Any:
    told = data.materialization.metadata.get(LINEAGE)
    if not isinstance(told, dg.JsonMetadataValue) or not isinstance(told.value, dict):
        return data
    metadata: dict[str, Any] = {**data.materialization.metadata, LINEAGE: column_lineage(told.value)}
    return data._replace(materialization=data.materialization.with_metadata(metadata))


def _with_data(entry: dg.EventLogEntry, event: DagsterEvent, data: Any) -> dg.EventLogEntry:
    if data is event.event_specific_data:
        return entry
    return entry._replace(dagster_event=event._replace(event_specific_data=data))
