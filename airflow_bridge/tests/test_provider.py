import subprocess
import sys

from airflow.providers_manager import ProvidersManager
from airflow_bridge._provider import get_provider_info

from airflow_bridge import operators

try:
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
except ImportError:  # before Airflow 3.2
    ProvidersManagerTaskRuntime = ProvidersManager


def test_the_entry_point_does_not_import_airflow():
    code = (
        "import sys, airflow_bridge._provider as p; p.get_provider_info(); "
        "print(*(m for m in sys.modules if m.split('.')[0] in ('airflow', 'httpx')))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_airflow_knows_the_connection_type_and_its_form():
    assert ProvidersManagerTaskRuntime().hooks["dagster"].hook_name == "Dagster"
    fields = get_provider_info()["connection-types"][0]["conn-fields"]
    if ProvidersManagerTaskRuntime is ProvidersManager:
        return  # before Airflow 3.2 a provider cannot describe a form: the extra is one field of JSON
    assert {f"extra__dagster__{name}" for name in fields} <= set(ProvidersManager().connection_form_widgets)


def test_airflow_knows_the_link():
    link = operators.DagsterRunLink
    assert f"{link.__module__}.{link.__name__}" in ProvidersManager().extra_links_class_names
