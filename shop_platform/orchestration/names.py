"""Names that other rooms and other programs rely on: locations, jobs, groups, keys, tags."""

from __future__ import annotations

# Two code locations, so that a dbt project that does not parse stops neither ingestion nor alerts. Each is served by a
# process of its own, named after it.
LOCATION_INGESTION = "ingestion"
LOCATION_WAREHOUSE = "warehouse"
MODULES = {
    LOCATION_INGESTION: "shop_platform.orchestration.ingestion_location",
    LOCATION_WAREHOUSE: "shop_platform.orchestration.warehouse_location",
}
REPOSITORY = "__repository__"

JOB_INGEST = "ingest"
JOB_TRANSFORM = "transform"
JOB_VERIFY = "verify"
JOB_FULL_PIPELINE = "full_pipeline"
JOB_DAILY = "daily"
JOB_NIGHTLY = "nightly"
JOB_CHECK = "check_ingestion"
JOB_RECONCILE = "reconcile"
JOB_REPROCESS = "reprocess"

# The first business day that can be built again; imports may bring in years from before the platform.
FIRST_DAY = "2015-01-01"

# The dbt tag of roll-ups that wait for the night; the selectors `daily` and `nightly` go by it too.
TAG_NIGHTLY = "nightly"

# A run waits in the queue (and costs no memory) while another run holds one of its pools; each pool has one slot.
POOL_INGEST = "ingest"
POOL_DBT = "dbt"

GROUP_TOPICS = "topics"
GROUP_RAW = "raw"
GROUP_EXPOSURES = "exposures"
GROUP_OPERATIONS = "operations"

TEAM_PLATFORM = "team:data-platform"
TEAM_ANALYTICS = "team:analytics"

# Who asked for a run when it was neither a schedule nor a sensor; `ops.pipeline_runs.trigger` shows it.
TAG_TRIGGER = "shop/trigger"

JOBS_OF_INGESTION = frozenset({JOB_INGEST, JOB_CHECK, JOB_RECONCILE})

# Checks that others than Dagster ask for by name.
CHECK_EVENT_AGE = "newest_event_is_recent"
CHECK_NOT_HALTED = "topic_is_read"
CHECK_DEAD_LETTERS = "few_dead_letters"
CHECK_RECONCILED = "produced_is_landed_or_dead"
CHECK_HOURS = "hours_add_up"

# Every shop has a client that sends rubbish now and then. A twentieth of all messages is no client but a broken
# producer, and the marts miss real sales.
DEAD_SHARE_WARN, DEAD_SHARE_ERROR = 0.01, 0.05
# The same of one source and type: what is much of a producer's may be little of a topic. From half on it is broken. A
# few letters are nobody's share: of a type that is sent twice a day, one would be half.
DEAD_SHARE_OF_TYPE_WARN, DEAD_SHARE_OF_TYPE_ERROR = 0.05, 0.5
DEAD_LETTERS_FEW = 10

ALL_TOPICS_KEY = ["raw", "all_topics"]
LEDGER_KEY = ["ops", "ingest_batches"]
REPROCESSED_KEY = ["ops", "reprocessed_days"]


def location_of(job: str) -> str:
    """Return the code location of a job."""
    return LOCATION_INGESTION if job in JOBS_OF_INGESTION else LOCATION_WAREHOUSE


def topic_key(subject: str) -> list[str]:
    """Return the asset key of the Kafka topic of ``subject``."""
    return ["kafka", subject]


def raw_key(subject: str) -> list[str]:
    """Return the asset key of the raw table of ``subject``."""
    return ["raw", subject]
