"""dbt in this process, its project parsed once: a build of the hot marts costs a second instead of ten."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dbt.cli.main import dbtRunnerResult

from shop_platform.errors import ShopError
from shop_platform.orchestration.lineage import ColumnLineage
from shop_platform.orchestration.manifest import lineage_file
from shop_platform.orchestration.offenders import Offenders
from shop_platform.refresh.in_process import InProcessDbt, first_line, result_of
from shop_platform.refresh.outcome import ERRORS, HotCheck, HotModel, Outcome
from shop_platform.refresh.steady import Model, steady
from shop_platform.settings import Settings

SELECTOR = "hot"
_TABLES = {"table", "incremental"}
NOT_PASSED = ERRORS | {"warn"}


class WarmDbt:
    """The dbt project against one warehouse, as the refresher builds it."""

    def __init__(self, settings: Settings, *, schema_prefix: str = "", application: str = "dbt") -> None:
        target = settings.data_dir / "dbt_target" / "refresher"
        self._settings = settings
        self._dbt = InProcessDbt(settings, target, schema_prefix=schema_prefix, application=application)
        self.models: dict[str, HotModel] = {}
        self.children: Mapping[str, list[str]] = {}
        self._tests: dict[str, set[str]] = {}
        self.untested: frozenset[HotCheck] = frozenset()
        """Checks of hot models that are left to a whole build: they also read what others build."""
        self._besides: list[str] = []
        self._lineage: ColumnLineage | None = None

    def ready(self) -> WarmDbt:
        """Parse the project; raise :class:`ShopError` when dbt cannot."""
        self._dbt.parse()
        chosen = result_of(
            self._dbt.invoke("ls", "--selector", SELECTOR, "--resource-type", "model"), f"find selector '{SELECTOR}'"
        )
        names = {str(line).rpartition(".")[2] for line in chosen}
        nodes = [node for node in self._nodes() if node.resource_type == "model" and node.name in names]
        self.models = {node.name: _model(node) for node in nodes if node.config.materialized in _TABLES}
        self.children = self._children()
        self._tests, still = self._readable()
        self._besides = sorted(still - names)
        self.untested = self._left_out()
        self._lineage = self._column_lineage()
        return self

    def _left_out(self) -> frozenset[HotCheck]:
        hot = {model.asset for model in self.models.values()}
        tests = [node for node in self._nodes() if node.resource_type == "test" and node.name not in self._tests]
        return frozenset(check for node in tests if (check := self._check(node)) is not None and check.asset in hot)

    def _column_lineage(self) -> ColumnLineage:
        assert self._dbt.manifest is not None
        models = {node.unique_id: node.to_dict() for node in self._nodes() if node.resource_type == "model"}
        sources = {unique_id: source.to_dict() for unique_id, source in self._dbt.manifest.sources.items()}
        return ColumnLineage(models, sources, lineage_file(self._settings))

    def prepare(self) -> list[Outcome]:
        """Build everything of the selector, views included: what a new or a changed installation needs once.

        With it what stands still besides, for the tests read it: the calendar and the like, and views of hot tables.
        """
        hot = self._outcomes(self._dbt.invoke("run", "--selector", SELECTOR))
        return hot + (self._outcomes(self._dbt.invoke("run", "--select", *self._besides)) if self._besides else [])

    def run(self, *, without: Collection[str] = ()) -> list[Outcome]:
        """Build the hot tables but those in ``without``; one that fails stops what reads it and nothing else."""
        names = sorted(set(self.models) - set(without))
        return self._outcomes(self._dbt.invoke("run", "--select", *names)) if names else []

    def test(self, *, without: Collection[str] = ()) -> list[Outcome]:
        """Run the data tests of the hot tables but those that read one of ``without``.

        A test that also reads what others build would judge rows of two moments; it is left to a whole build.
        """
        names = sorted(name for name, reads in self._tests.items() if not reads & set(without))
        return self._outcomes(self._dbt.invoke("test", "--select", *names)) if names else []

    def _outcomes(self, answer: dbtRunnerResult) -> list[Outcome]:
        results = getattr(answer.result, "results", None)
        if results is None:
            raise ShopError(f"dbt ended before it built anything: {answer.exception}", exit_code=1)
        hooks = [r for r in results if r.node.resource_type == "operation" and str(r.status) in ERRORS]
        if hooks:
            raise ShopError(f"dbt could not begin a run: {first_line(hooks[0].message)}", exit_code=1)
        if self._lineage is not None:
            for result in results:
                if result.node.name in self.models and str(result.status) not in NOT_PASSED:
                    self._lineage.of(result.node.unique_id, result.node.compiled_code)
            self._lineage.keep()
        told = self._reasons([r for r in results if r.node.resource_type == "test" and str(r.status) in NOT_PASSED])
        return [self._outcome(result, told) for result in results if result.node.resource_type in {"model", "test"}]

    def _reasons(self, failed: Sequence[Any]) -> dict[str, str]:
        """Return for each failed test, by unique id, which rule it holds and which rows break that."""
        if not failed:
            return {}
        with Offenders(self._settings, {node.unique_id: node.to_dict() for node in self._nodes()}) as offenders:
            for result in failed:
                offenders.reason(result.node.unique_id, result.node.compiled_code, result.failures)
        return offenders.told

    def _outcome(self, result: Any, told: Mapping[str, str]) -> Outcome:
        rows = (result.adapter_response or {}).get("rows_affected")
        message = first_line(result.message) if str(result.status) in NOT_PASSED else ""
        return Outcome(
            name=result.node.name,
            status=str(result.status),
            seconds=float(result.execution_time),
            rows=int(rows) if isinstance(rows, int) and rows >= 0 else None,
            message=told.get(result.node.unique_id, message),
            check=self._check(result.node) if result.node.resource_type == "test" else None,
            lineage=self._lineage.of(result.node.unique_id, None) if self._lineage is not None else None,
        )

    def _check(self, test: Any) -> HotCheck | None:
        """Return the check that dagster-dbt makes of a test; ``None`` when it makes none."""
        assert self._dbt.manifest is not None
        parents = test.depends_on.nodes
        named = test.meta.get("dagster", {}).get("ref", {}).get("name")
        carrier = getattr(test, "attached_node", None) or (
            parents[0] if len(parents) == 1 else f"model.{test.package_name}.{named}"
        )
        node = self._dbt.manifest.nodes.get(carrier)
        return HotCheck(test.name, _asset(node)) if node is not None else None

    def _readable(self) -> tuple[dict[str, set[str]], set[str]]:
        """Return the tests that may run here with the hot models each reads, and the models that stand still."""
        models = {
            node.unique_id: Model(node.config.materialized in _TABLES, tuple(node.depends_on.nodes))
            for node in self._nodes()
            if node.resource_type == "model"
        }
        names = {node.unique_id: node.name for node in self._nodes()}
        hot = {unique_id for unique_id in models if names[unique_id] in self.models}
        still = steady(models, hot)
        tests = {
            node.name: {names[parent] for parent in hot.intersection(node.depends_on.nodes)}
            for node in self._nodes()
            if node.resource_type == "test" and still.issuperset(node.depends_on.nodes)
        }
        return {name: reads for name, reads in tests.items() if reads}, {names[unique_id] for unique_id in still}

    def _nodes(self) -> list[Any]:
        assert self._dbt.manifest is not None
        return list(self._dbt.manifest.nodes.values())

    def _children(self) -> dict[str, list[str]]:
        """Map each model's name to the names of the models that read it, views included."""
        found: dict[str, list[str]] = {}
        for node in self._nodes():
            if node.resource_type == "model":
                for parent in node.depends_on.nodes:
                    found.setdefault(parent.rpartition(".")[2], []).append(node.name)
        return found


def _model(node: Any) -> HotModel:
    return HotModel(node.name, f"{node.schema}.{node.alias}", _asset(node))


def _asset(node: Any) -> tuple[str, ...]:
    """Return the key that the code location gives a model: its layer and its name."""
    return (node.fqn[1], node.name)
