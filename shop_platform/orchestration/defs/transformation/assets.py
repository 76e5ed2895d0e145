"""The dbt project: every model an asset, every dbt test an asset check."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import orjson

from shop_platform.dagster_rest import LINEAGE
from shop_platform.orchestration import names
from shop_platform.orchestration.dagster_dbt_light import DagsterDbtCliRuntimeError, DbtCliInvocation, dbt_assets
from shop_platform.orchestration.dbt_build import compiled_sql, dbt_command, exported, failures, new_run_folder
from shop_platform.orchestration.defs.transformation.partial_build import arguments_of, part_of, tell_of
from shop_platform.orchestration.defs.transformation.translator import ShopTranslator, is_nightly, layer
from shop_platform.orchestration.lineage import ColumnLineage, Columns
from shop_platform.orchestration.offenders import Offenders
from shop_platform.orchestration.reported import column_lineage
from shop_platform.settings import Settings
from shop_platform.warehouse.locks import LockLostError, transform_lock

OP_NAME = "dbt_build"

# dagster-dbt's name for what dbt counts.
_FAILED_ROWS = "dagster_dbt/failed_row_count"


class BuildConfig(dg.Config):
    """``column_metadata`` adds row counts and column types: several seconds of CPU, so only the daily job asks."""

    column_metadata: bool = False
    full_refresh: bool = False


def build_dbt_assets(
    manifest: Mapping[str, Any], screens: Sequence[dg.AssetSpec], lineage: ColumnLineage
) -> dg.AssetsDefinition:
    """Return the assets of ``manifest``; ``screens`` count as renewed when every mart they read was built.

    What a screen shows of the nightly marts is renewed at night and keeps nobody waiting by day.
    """
    nightly = set(nightly_keys(manifest))

    @dbt_assets(
        manifest=manifest,
        name=OP_NAME,
        dagster_dbt_translator=ShopTranslator(),
        pool=names.POOL_DBT,
    )
    def dbt_models(
        context: dg.AssetExecutionContext, config: BuildConfig, settings: dg.ResourceParam[Settings]
    ) -> Iterator[Any]:
        arguments = ["build", "--exclude-resource-type", "unit_test"]
        if config.full_refresh:
            arguments.append("--full-refresh")
        part = part_of(settings, manifest, models_of(manifest, context.selected_asset_keys))
        arguments += arguments_of(part)
        tell_of(context, part)
        built: set[dg.AssetKey] = set()
        artifacts = new_run_folder(settings, context.run.run_id)
        # The pool keeps Dagster's own runs apart; the lock also keeps out `shop verify` and a second Dagster.
        offenders = Offenders(settings, manifest["nodes"])
        with exported(settings), transform_lock(settings) as lock, offenders:
            invocation = dbt_command(with_adapter=config.column_metadata).cli(
                arguments, context=context, target_path=artifacts
            )
            events = invocation.stream()
            if config.column_metadata:
                events = events.fetch_row_counts().fetch_column_metadata(with_column_lineage=False)
            try:
                with lock.guarding(invocation.process.terminate):
                    for event in events:
                        if isinstance(event, dg.Output) and event.metadata["unique_id"].value in part.lost:
                            continue  # the same view as before
                        if isinstance(event, dg.Output):
                            built.add(context.asset_key_for_output(event.output_name))
                            yield with_lineage(event, lineage, manifest, invocation.target_path)
                        else:
                            yield with_reason(event, offenders, manifest, invocation.target_path)
            except LockLostError as error:
                raise build_again() from error
            except DagsterDbtCliRuntimeError as error:
                raise readable(invocation, error, offenders.told) from error
            finally:
                lineage.keep()
        for screen in screens:
            read = {dep.asset_key for dep in screen.deps}
            if read & built and read - nightly <= built:
                context.log_event(dg.AssetMaterialization(screen.key, description="Every mart it reads was rebuilt."))

    return dbt_models


def with_lineage(
    event: dg.Output[Any], lineage: ColumnLineage, manifest: Mapping[str, Any], target: Path
) -> dg.Output[Any]:
    """Return the event of a model that was built, with what its columns are made of."""
    unique_id = str(event.metadata["unique_id"].value)
    columns = lineage_metadata(lineage.of(unique_id, compiled_sql(target, manifest["nodes"][unique_id])))
    return event.with_metadata({**event.metadata, **columns})


def lineage_metadata(columns: Columns | None) -> dict[str, dg.TableColumnLineage]:
    """Return the lineage as metadata of a materialization; empty when it is not known."""
    return {} if columns is None else {LINEAGE: column_lineage(columns)}


def with_reason(event: Any, offenders: Offenders, manifest: Mapping[str, Any], target: Path) -> Any:
    """Return the event of a build; the result of a test that did not pass says why, in a sentence."""
    if not isinstance(event, dg.AssetCheckResult) or event.passed:
        return event
    unique_id = str(event.metadata["unique_id"].value)
    found = {name: value.value for name, value in event.metadata.items()}
    count = None if found.get("status") == "error" else found.get(_FAILED_ROWS)
    compiled = compiled_sql(target, manifest["nodes"][unique_id])
    reason = offenders.reason(unique_id, compiled, count if isinstance(count, int) else None)
    return event._replace(description=reason)


def models_of(manifest: Mapping[str, Any], keys: Collection[dg.AssetKey]) -> list[str]:
    """Return the unique ids of the models behind ``keys``."""
    translator = ShopTranslator()
    return [node["unique_id"] for node in _models(manifest) if translator.get_asset_key(node) in keys]


def mart_relations(manifest: Mapping[str, Any], *, nightly: bool) -> list[str]:
    """Return ``schema.table`` of the marts that are (or are not) nightly, as ``ops.model_watermarks`` names them."""
    return sorted(
        f"{node['schema']}.{node['alias']}"
        for node in _models(manifest)
        if layer(node) == "marts" and is_nightly(node) == nightly
    )


def nightly_keys(manifest: Mapping[str, Any]) -> list[dg.AssetKey]:
    """Return the asset keys of the models that wait for the night."""
    return sorted(ShopTranslator().get_asset_key(node) for node in _models(manifest) if is_nightly(node))


def _models(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]


def load_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest."""
    manifest: dict[str, Any] = orjson.loads(path.read_bytes())
    return manifest


def build_again() -> dg.RetryRequested:
    """Return what starts a build again that lost its lock with the server: what it had built is kept."""
    return dg.RetryRequested(max_retries=2, seconds_to_wait=5)


def readable(
    invocation: DbtCliInvocation, error: DagsterDbtCliRuntimeError, reasons: Mapping[str, str] | None = None
) -> dg.Failure:
    """Return a failure whose first line names what failed and why, instead of dbt's command line.

    ``reasons`` says by unique id what the tests found.
    """
    log = invocation.target_path / "dbt.log"
    try:
        failed = failures(invocation.get_artifact("run_results.json"), reasons)
    except (OSError, orjson.JSONDecodeError):
        # dbt gave up before it ran a node: the database is away, or the project does not parse.
        failed = [line for line in str(error).splitlines() if "rror" in line][-1:]
    head = failed[0] if failed else "dbt ended with an error before it ran a node"
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return dg.Failure(
        description=f"{head}{more}",
        metadata={"failed": dg.MetadataValue.json(failed), "log": dg.MetadataValue.path(str(log))},
        # The same SQL on the same rows fails again; the sensor tries again with the next rows or window.
        allow_retries=False,
    )
