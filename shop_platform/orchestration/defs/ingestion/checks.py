"""Asset checks of the raw tables (still fed, not halted, few dead letters) and of the ledger: nothing lost (I1)."""

from collections.abc import Iterator

import dagster as dg

from shop_platform.events.registry import TOPICS
from shop_platform.operations.hours import Hours
from shop_platform.operations.verify import Reconciliation, reconcile, short_i1
from shop_platform.orchestration import names
from shop_platform.orchestration.batches import SubjectState, subject_states
from shop_platform.orchestration.dead_shares import Waiting
from shop_platform.orchestration.freshness import BY_SUBJECT
from shop_platform.orchestration.text import span
from shop_platform.settings import Settings

# So many of the hours that do not add up stand in the sentence; more are in its metadata.
_NAMED = 5


def _spec(subject: str, name: str, description: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=names.raw_key(subject), description=description)


def _limit(subject: str) -> str:
    limit = BY_SUBJECT[subject].event_age
    assert limit is not None
    return span(limit)


ledger_specs = [
    spec
    for topic in TOPICS
    for spec in (
        _spec(
            topic.subject,
            names.CHECK_EVENT_AGE,
            f"The newest event is younger than {_limit(topic.subject)}. {BY_SUBJECT[topic.subject].reason}",
        ),
        _spec(
            topic.subject,
            names.CHECK_NOT_HALTED,
            "No halt of the ingestion waits for a person's decision about this topic.",
        ),
        _spec(
            topic.subject,
            names.CHECK_DEAD_LETTERS,
            "Less than 1 % of the last day's messages, and less than 5 % of those of each source and type (if 10 or"
            " more), are dead letters that nobody has dealt with.",
        ),
    )
]


@dg.multi_asset_check(name="check_ledger", specs=ledger_specs, can_subset=True)
def ledger_checks(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.AssetCheckResult]:
    """Judge each raw table by the ingestion's ledger."""
    yield from (result for result in judge_ledger(settings) if key_of(result) in context.selected_asset_check_keys)


def judge_ledger(settings: Settings) -> Iterator[dg.AssetCheckResult]:
    """Judge the age of the newest event and the dead letters of every subject."""
    states = subject_states(settings)
    for topic in TOPICS:
        state = states.get(topic.subject, SubjectState())
        yield judge_event_age(topic.subject, state)
        yield judge_halts(topic.subject, state)
        yield judge_dead_letters(topic.subject, state)


def key_of(result: dg.AssetCheckResult) -> dg.AssetCheckKey:
    """Return the key of the check that gave ``result``."""
    assert result.asset_key is not None and result.check_name is not None
    return dg.AssetCheckKey(result.asset_key, result.check_name)


# I1 is one statement about all topics together (an id must not land twice anywhere), and it reads every id there is.
# So it sits on the ledger, which is reported when it is compared with what was produced and not with every batch.
reconciliation_specs = [
    dg.AssetCheckSpec(name, asset=names.LEDGER_KEY, description=description)
    for name, description in (
        (names.CHECK_RECONCILED, "I1: distinct produced event ids = landed + dead-lettered, disjoint, none twice."),
        (
            names.CHECK_HOURS,
            "In every partition and hour of event time: produced = in Kafka + landed + duplicates + dead letters.",
        ),
    )
]


@dg.multi_asset_check(name="check_reconciliation", specs=reconciliation_specs, can_subset=True)
def reconciliation_check(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.AssetCheckResult]:
    """Compare what was produced with what landed, as a whole and hour by hour."""
    result = reconcile(settings, record=True)
    context.op_execution_context.log_event(ledger_event(result))
    yield from (each for each in judge_everything(result) if key_of(each) in context.selected_asset_check_keys)


def ledger_event(result: Reconciliation) -> dg.AssetMaterialization:
    """Return the news of what the ledger holds, as it was compared with what was produced."""
    return dg.AssetMaterialization(
        names.LEDGER_KEY, description="Compared with what was produced.", metadata=result.as_dict()
    )


def judge_everything(result: Reconciliation) -> Iterator[dg.AssetCheckResult]:
    """Judge I1 as a whole and hour by hour."""
    yield judge_reconciliation(result)
    yield judge_hours(result.hours)


def judge_reconciliation(result: Reconciliation) -> dg.AssetCheckResult:
    """ERROR: a lost or doubled event is the one thing never allowed."""
    return dg.AssetCheckResult(
        passed=result.ids_hold,
        asset_key=dg.AssetKey(names.LEDGER_KEY),
        check_name=names.CHECK_RECONCILED,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_reconciled(result),
        metadata={"counts": dg.MetadataValue.json(result.as_dict())},
    )


def _reconciled(result: Reconciliation) -> str:
    """Say what is wrong and where; what has no producer's ledger can only be compared with itself."""
    if not result.ids_hold:
        return (
            f"Events are lost, or there that should not be (I1): {short_i1(result)}. `shop verify --only i1` tells all."
        )
    if result.produced is None:
        return "Nothing is there twice. No producer keeps a ledger, so nobody can know what is missing."
    apart = f" {result.foreign} events are of producers without a ledger." if result.foreign else ""
    return f"What was produced is landed or a dead letter, and nothing is there twice.{apart}"


def judge_hours(hours: Hours) -> dg.AssetCheckResult:
    """ERROR when one partition and hour does not add up; the worst are named."""
    off, counted, worst = sum(hours.off.values()), sum(hours.counted.values()), hours.worst
    named = "; ".join(hour.sentence() for hour in worst[:_NAMED])
    more = f" and {off - _NAMED} more" if off > _NAMED else ""
    return dg.AssetCheckResult(
        passed=not off,
        asset_key=dg.AssetKey(names.LEDGER_KEY),
        check_name=names.CHECK_HOURS,
        severity=dg.AssetCheckSeverity.ERROR,
        description=(
            f"{off} of {counted} hours of event time do not add up: {named}{more}."
            if off
            else f"All {counted} hours of event time add up."
        ),
        metadata={
            "hours": counted,
            "off": off,
            "off_by_topic": dg.MetadataValue.json(hours.off),
            "worst": dg.MetadataValue.json([hour.as_dict() for hour in worst]),
        },
    )


def judge_event_age(subject: str, state: SubjectState) -> dg.AssetCheckResult:
    """WARN when the newest event is too old: what is there is right, and a shop may simply be quiet."""
    limit = BY_SUBJECT[subject].event_age
    assert limit is not None
    return dg.AssetCheckResult(
        passed=state.event_age is not None and state.event_age <= limit,
        asset_key=names.raw_key(subject),
        check_name=names.CHECK_EVENT_AGE,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"The newest event of {subject} is {span(state.event_age)} old; {span(limit)} are usual at most."
            if state.event_age is not None
            else f"No event of {subject} has landed yet."
        ),
        metadata={
            "limit_seconds": limit.total_seconds(),
            **({"age_seconds": state.event_age.total_seconds()} if state.event_age is not None else {}),
        },
    )


def judge_halts(subject: str, state: SubjectState) -> dg.AssetCheckResult:
    """ERROR: what the topic brings reaches no mart until somebody decides."""
    told = " ".join(f"{halt.message}. {halt.resolution}" for halt in state.halts)
    return dg.AssetCheckResult(
        passed=not state.halts,
        asset_key=names.raw_key(subject),
        check_name=names.CHECK_NOT_HALTED,
        severity=dg.AssetCheckSeverity.ERROR,
        description=told or f"Nothing of {subject} waits for a decision.",
    )


def judge_dead_letters(subject: str, state: SubjectState) -> dg.AssetCheckResult:
    """WARN from 1 %, ERROR above 5 % of a day's messages; of one source and type WARN from 5 %, ERROR from half."""
    waits = state.waiting
    return dg.AssetCheckResult(
        passed=waits.holds,
        asset_key=names.raw_key(subject),
        check_name=names.CHECK_DEAD_LETTERS,
        severity=dg.AssetCheckSeverity.ERROR if waits.calls else dg.AssetCheckSeverity.WARN,
        description=(
            f"{waits.dead} of {waits.messages} messages of {subject} in the last 24 h ({waits.share:.1%}) wait as dead"
            f" letters; less than {names.DEAD_SHARE_WARN:.0%} should, and from {names.DEAD_SHARE_ERROR:.0%}"
            f" on somebody is called.{_of_producers(waits)}"
        ),
        metadata={
            "share": waits.share,
            "messages": waits.messages,
            "dead_letters": waits.dead,
            "by_source_and_type": dg.MetadataValue.json([vars(each) for each in waits.producers]),
        },
    )


def _of_producers(waits: Waiting) -> str:
    """Name the sources and types of which too many wait, the worst first."""
    if not waits.producers:
        return ""
    named = "; ".join(each.sentence() for each in waits.producers[:_NAMED])
    more = f" and {len(waits.producers) - _NAMED} more" if len(waits.producers) > _NAMED else ""
    return (
        f" Of one source and type less than {names.DEAD_SHARE_OF_TYPE_WARN:.0%} should, and from"
        f" {names.DEAD_SHARE_OF_TYPE_ERROR:.0%} on somebody is called: {named}{more}."
    )
