"""Assets that are built of one model hang together; those that share raw tables only do not."""

from __future__ import annotations

import json

from shop_platform.monitoring.lineage import Lineage, origins
from shop_platform.orchestration.manifest import target_dir
from shop_platform.settings import load


def manifest(**parents):
    """Return a manifest of models (layer_name) and the models or sources each is built of."""
    nodes = {}
    for name, above in parents.items():
        layer, _, model = name.partition("__")
        nodes[f"model.shop.{model}"] = {
            **{"resource_type": "model", "name": model, "fqn": ["shop", layer, model]},
            "depends_on": {"nodes": [a if a.startswith("source.") else f"model.shop.{a}" for a in above]},
        }
    return {"nodes": nodes | {"test.shop.t": {"resource_type": "test"}}}


SHOP = manifest(
    staging__orders=["source.shop.raw.orders"],
    staging__visits=["source.shop.raw.web"],
    marts__kpi=["orders"],
    marts__customers=["orders"],
    marts__funnel=["visits"],
)


def test_an_asset_comes_of_all_models_above_it():
    assert origins(SHOP)["marts/kpi"] == {"marts/kpi", "staging/orders"}


def test_assets_are_related_by_a_common_model_and_by_a_new_project(tmp_path):
    settings = load(data_dir=tmp_path)
    lineage = Lineage(settings)
    assert lineage.related(["raw/web"], ["raw/web"]) and not lineage.related(["marts/kpi"], ["marts/customers"])
    folder = target_dir(settings)
    folder.mkdir(parents=True)
    (folder / "manifest-1.json").write_text(json.dumps(SHOP))
    assert lineage.related(["marts/kpi"], ["marts/customers"])
    assert lineage.related(["staging/orders"], ["marts/funnel", "marts/kpi"])
    assert not lineage.related(["marts/kpi"], ["marts/funnel"])
