"""Asset checks of the raw tables that warn of what is unusual: volume, repetitions, fields nobody knows."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from shop_platform.events.registry import TOPICS
from shop_platform.orchestration import names
from shop_platform.orchestration.batches import SubjectState, subject_states
from shop_platform.orchestration.defs.ingestion.checks import key_of
from shop_platform.orchestration.drift import WEEKS, Volume, unknown_fields, volumes
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

VOLUME = "volume_is_usual"
DUPLICATES = "few_duplicates"
FIELDS = "fields_are_in_the_contract"

# A producer that tries again repeats a few messages; a twentieth of them repeated is one that restarts in circles.
_DUPLICATE_SHARE = 0.05

_DESCRIPTIONS = {
    VOLUME: "The last full hour of event time holds between half and twice the events of the same hour in the"
    f" {WEEKS} weeks before (median, by the shop's clock), or differs by no more than chance.",
    DUPLICATES: "Less than 5 % of the last day's messages are repetitions. They land once; their sender has a problem.",
    FIELDS: "The newest events carry no field that the contract does not name. Others are kept, no model reads them.",
}

drift_specs = [
    dg.AssetCheckSpec(name, asset=names.raw_key(topic.subject), description=description)
    for topic in TOPICS
    for name, description in _DESCRIPTIONS.items()
]


@dg.multi_asset_check(name="check_drift", specs=drift_specs, can_subset=True)
def drift_checks(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.AssetCheckResult]:
    """Judge each raw table by its own past and by the contract."""
    yield from (result for result in judge_drift(settings) if key_of(result) in context.selected_asset_check_keys)


def judge_drift(settings: Settings) -> Iterator[dg.AssetCheckResult]:
    """Judge volume, repetitions and fields of every subject."""
    states = subject_states(settings)
    with connect(settings, Role.ORCHESTRATOR) as connection:
        usual = volumes(connection, dt.datetime.now(dt.UTC), ZoneInfo(settings.shop_tz))
        for topic in TOPICS:
            yield judge_volume(topic.subject, usual.get(topic.subject))
            yield judge_duplicates(topic.subject, states.get(topic.subject, SubjectState()))
            yield judge_fields(topic.subject, unknown_fields(connection, topic))


def judge_volume(subject: str, volume: Volume | None) -> dg.AssetCheckResult:
    """WARN: a campaign, a holiday or a broken shop; only people can tell."""
    if volume is None or volume.usual is None:
        weeks = len(volume.earlier) if volume else 0
        return _result(
            subject, VOLUME, passed=True, description=f"Too few earlier weeks of {subject} to compare with: {weeks}."
        )
    return _result(
        subject,
        VOLUME,
        passed=not volume.is_unusual,
        description=(
            f"{volume.events} events of {subject} in the hour of {volume.hour:%Y-%m-%d %H:%M} UTC;"
            f" {volume.usual:g} are usual there."
        ),
        metadata={
            "events": volume.events,
            "usual": volume.usual,
            "earlier": dg.MetadataValue.json(list(volume.earlier)),
        },
    )


def judge_duplicates(subject: str, state: SubjectState) -> dg.AssetCheckResult:
    """WARN: nothing is counted twice."""
    return _result(
        subject,
        DUPLICATES,
        passed=state.duplicate_share < _DUPLICATE_SHARE,
        description=(
            f"{state.duplicates} of {state.messages} messages of {subject} in the last 24 h are repetitions"
            f" ({state.duplicate_share:.1%}); less than {_DUPLICATE_SHARE:.0%} should be."
        ),
        metadata={"share": state.duplicate_share, "messages": state.messages, "duplicates": state.duplicates},
    )


def judge_fields(subject: str, unknown: dict[str, list[str]]) -> dg.AssetCheckResult:
    """WARN: the schema of the source has changed."""
    told = "; ".join(f"{kind}: {', '.join(fields)}" for kind, fields in sorted(unknown.items()))
    return _result(
        subject,
        FIELDS,
        passed=not unknown,
        description=(
            f"Events of {subject} carry fields that the contract does not name: {told}."
            if unknown
            else f"The contract names every field of the newest events of {subject}."
        ),
        metadata={"unknown": dg.MetadataValue.json(unknown)},
    )


def _result(
    subject: str, name: str, *, passed: bool, description: str, metadata: Mapping[str, Any] | None = None
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=names.raw_key(subject),
        check_name=name,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=metadata,
    )
