"""The metric glossary, made of the semantic layer: ``python -m shop_platform.operations.glossary [--check]``."""

from __future__ import annotations

import argparse
import json
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
without tax, unless the definition says otherwise; days are those of the shop's time zone.

| Metric | Name | Definition | Formula | Unit | Grain | Owner |
|---|---|---|---|---|---|---|
"""


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
    return [
        Metric(
            each["name"],
            each["label"],
            each["description"],
            _formula(each, measures),
            **{key: each["config"]["meta"][key] for key in ("unit", "grain", "owner")},
        )
        for document in documents
        for each in document.get("metrics", [])
    ]


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
