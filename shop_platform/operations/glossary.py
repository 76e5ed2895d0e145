"""The metric glossary, made of the semantic layer: ``python -m shop_platform.operations.glossary [--check]``."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from shop_platform.settings import PROJECT_ROOT

SEMANTIC = PROJECT_ROOT / "dbt_project" / "models" / "semantic"
DOCUMENT = PROJECT_ROOT / "docs" / "metrics.md"
FOR_THE_DASHBOARD = PROJECT_ROOT / "dashboard" / "data" / "metrics.json"

_HEAD = """\
# Metrics

Generated from `dbt_project/models/semantic` by `python -m shop_platform.operations.glossary`; change the definition
there. Whoever asks the semantic layer (`mf query --metrics net_amount --group-by metric_time__day,currency`) and
whoever reads the roll-ups gets the same figure: a test holds them together. Amounts are in the currency of the row and
without tax, unless the definition says otherwise; days are those of the shop's time zone. Which table answers which
question: [questions](questions.md).

**Amounts of several currencies are never added.** A query that would is refused, and the error says what to do: group
by `currency`, filter by it, or ask for the metric in the base currency (`..._base`), which is empty where a rate is
missing.

`currency`, `channel`, `country` and `device` are grouped by under these names for all metrics that know them at once;
in the list of dimensions (`mf list dimensions --metrics net_amount`) and in filters they are `order__currency_code`,
`order__channel_name`, `order__country_code` and `order__device_class`, and the same of `session` and `refund`. Where
nothing happened there is no row, or an empty field beside other figures; `kpi_daily` says 0. Metrics in `_unchecked`,
`_in_one_currency`, `_first_currency` and the like are parts of those below and not to be asked for.

How the amounts hang together, in every row of `kpi_daily`, its splits and `kpi_hourly` (held by checks and tests):

- sold: `net_amount` = `gross_amount` - `discount_amount` - `refund_amount`
- charged: `total_amount` = `gross_amount` - `discount_amount` + `shipping_amount` + `tax_amount`
- paid: `paid_amount` + `unpaid_amount` = `total_amount`
  = `net_amount` + `refund_amount` + `shipping_amount` + `tax_amount`;
  where `orders_with_unknown_payment` is not 0 both are empty and `known_paid_amount` is the part that is known
- went back: `refund_total_amount` = `refund_amount` + `refund_tax_amount` + `refund_shipping_amount`
- stays: `total_amount` - `refund_total_amount` = `net_amount` + (`shipping_amount` - `refund_shipping_amount`)
  + (`tax_amount` - `refund_tax_amount`)

Orders and what was paid for them count on the day of the order, refunds on the day on which they were issued.
`captured_amount` is of the day on which the money moved, also for orders that were cancelled later.

| Metric | Name | Definition | Formula | Unit | Grain | Owner |
|---|---|---|---|---|---|---|
"""

_GUARD = re.compile(r" \* \w+_in_one_currency$")


@dataclass(frozen=True)
class Metric:
    """One metric as a person reads it; ``formula`` is SQL over the named mart, or arithmetic over other metrics."""

    name: str
    label: str
    definition: str
    formula: str
    unit: str
    grain: str
    owner: str


def metrics(folder: Path = SEMANTIC) -> list[Metric]:
    """Return every metric in the order of its definition. Raises ``KeyError`` when one lacks what a person needs."""
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yml"))]
    measures = {
        measure["name"]: _measure(model, measure)
        for document in documents
        for model in document.get("semantic_models", [])
        for measure in model["measures"]
    }
    parts = {
        each["name"]: _formula(each, measures)
        for document in documents
        for each in document.get("metrics", [])
        if _is_part(each) and each["type"] == "simple"
    }
    return [
        Metric(
            each["name"],
            each["label"],
            each["description"],
            _readable(_formula(each, measures), parts),
            **{key: each["config"]["meta"][key] for key in ("unit", "grain", "owner")},
        )
        for document in documents
        for each in document.get("metrics", [])
        if not _is_part(each)
    ]


def _is_part(metric: dict[str, Any]) -> bool:
    """Return whether a metric is only what others are made of (``guards.yml``)."""
    return bool(metric["config"]["meta"].get("internal"))


def _measure(model: dict[str, Any], measure: dict[str, Any]) -> str:
    table = model["model"].removeprefix("ref('").removesuffix("')")
    function = {"count_distinct": "count(distinct {})"}.get(measure["agg"], measure["agg"] + "({})")
    return f"{function.format(measure.get('expr', measure['name']))} of {table}"


def _formula(metric: dict[str, Any], measures: dict[str, str]) -> str:
    parameters = metric["type_params"]
    match metric["type"]:
        case "simple":
            return measures[parameters["measure"]["name"]]
        case "derived":
            return str(parameters["expr"])
        case "ratio":
            return f"{parameters['numerator']} / {parameters['denominator']}"
        case kind:
            raise ValueError(f"no formula is known for a metric of type {kind}")


def _readable(formula: str, parts: dict[str, str]) -> str:
    """Return ``formula`` without its guard; a part that stands alone is said as what it is the sum of."""
    unguarded = _GUARD.sub("", formula)
    if unguarded in parts:
        return parts[unguarded]
    if unguarded.startswith("(") and unguarded.endswith(")"):
        unguarded = unguarded[1:-1]
    return " ".join(unguarded.replace("_unchecked", "").split())


def files() -> dict[Path, str]:
    """Return the generated files: the document, and what the dashboard shows."""
    found = metrics()
    rows = "".join(
        f"| `{m.name}` | {m.label} | {m.definition} | `{m.formula}` | {m.unit} | {m.grain} | {m.owner} |\n"
        for m in found
    )
    shown = json.dumps([asdict(metric) for metric in found], indent=1, ensure_ascii=False) + "\n"
    return {DOCUMENT: _HEAD + rows, FOR_THE_DASHBOARD: shown}


def _cells(metric: Metric) -> str:
    cells = metric.label, metric.definition, f"`{metric.formula}`", metric.unit, metric.grain, metric.owner
    return " | ".join(cells)


def main() -> int:
    """Write the files, or with ``--check`` name those that are not up to date and return 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only tell what is not up to date")
    check = parser.parse_args().check
    outdated = [path for path, text in files().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in outdated:
        if check:
            sys.stderr.write(
                f"{path.relative_to(PROJECT_ROOT)} is not up to date: python -m shop_platform.operations.glossary\n"
            )
        else:
            path.write_text(files()[path], encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(PROJECT_ROOT)}\n")
    return 1 if check and outdated else 0


if __name__ == "__main__":
    raise SystemExit(main())
