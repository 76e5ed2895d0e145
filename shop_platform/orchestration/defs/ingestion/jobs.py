"""The jobs of the raw tables and their schedules."""

from __future__ import annotations

import dagster as dg

from shop_platform.orchestration import names
from shop_platform.orchestration.defs import schedules
from shop_platform.orchestration.defs.ingestion.assets import raw_tables
from shop_platform.orchestration.defs.ingestion.checks import ledger_checks, reconciliation_check
from shop_platform.orchestration.defs.ingestion.drift_checks import drift_checks

# The ingest service reports its materialization shortly before, so that Dagster shows what these checks say of it.
CHECKS_AT = "*/10 * * * *"
# Before the daily run, whose marts should not be built of a loss that nobody knows of.
RECONCILE_AT = "0 4 * * *"

_CHECKS = dg.AssetSelection.checks(ledger_checks, drift_checks)

ingestion_jobs = [
    dg.define_asset_job(
        names.JOB_INGEST,
        dg.AssetSelection.assets(raw_tables).without_checks() | _CHECKS,
        description="Brings every raw table up to the end of its topic.",
        executor_def=dg.in_process_executor,
    ),
    dg.define_asset_job(
        names.JOB_CHECK,
        _CHECKS,
        description="Is the shop still sending, what it usually sends, and nothing broken, repeated or unknown?",
        executor_def=dg.in_process_executor,
    ),
    # It reads every id there is: not with every handful of messages.
    dg.define_asset_job(
        names.JOB_RECONCILE,
        dg.AssetSelection.checks(reconciliation_check),
        description="Proves I1: what was produced is landed or dead-lettered, nothing twice.",
        executor_def=dg.in_process_executor,
    ),
]


def build_ingestion_schedules(shop_tz: str) -> list[dg.ScheduleDefinition]:
    """Return the schedules, in the time zone ``shop_tz``."""
    table = [
        ("checks_every_ten_minutes", names.JOB_CHECK, CHECKS_AT),
        ("reconcile_at_four", names.JOB_RECONCILE, RECONCILE_AT),
    ]
    return schedules.build(ingestion_jobs, shop_tz, table)
