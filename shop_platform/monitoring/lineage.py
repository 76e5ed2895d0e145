"""Which assets hang together: one wrong row shows in all that are built of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from shop_platform.orchestration.manifest import target_dir
from shop_platform.settings import Settings


class Lineage:
    """Tells whether assets (``marts/fct_orders``) have a model in common, by the newest manifest of the dbt project."""

    def __init__(self, settings: Settings) -> None:
        self._folder = target_dir(settings)
        self._known: tuple[Path, int] | None = None
        self._origins: dict[str, frozenset[str]] = {}

    def related(self, some: Sequence[str], others: Sequence[str]) -> bool:
        """Tell whether one of ``some`` and one of ``others`` are the same, or are built of one model.

        Raw tables and what is not dbt's are related to themselves only: nearly everything is built of the orders.
        """
        self._read()
        return any(self._of(one) & self._of(other) for one in some for other in others)

    def _of(self, asset: str) -> frozenset[str]:
        return self._origins.get(asset, frozenset([asset]))

    def _read(self) -> None:
        """Read the manifest if there is another than before; without one each asset stands for itself."""
        found = max(self._folder.glob("manifest-*.json"), key=lambda path: path.stat().st_mtime_ns, default=None)
        if found is None or self._known == (found, found.stat().st_mtime_ns):
            return
        self._origins = origins(orjson.loads(found.read_bytes()))
        self._known = (found, found.stat().st_mtime_ns)


def origins(manifest: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return for the asset of each model the assets of the models it is built of, itself among them."""
    models = {name: node for name, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    found: dict[str, frozenset[str]] = {}

    def of(name: str) -> frozenset[str]:
        if name not in found:
            parents = [parent for parent in models[name]["depends_on"]["nodes"] if parent in models]
            found[name] = frozenset([_asset(models[name])]).union(*map(of, parents))
        return found[name]

    return {_asset(node): of(name) for name, node in models.items()}


def _asset(node: Mapping[str, Any]) -> str:
    return f"{node['fqn'][1]}/{node['name']}"
