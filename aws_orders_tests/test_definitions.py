"""The definitions: what they contain, that they are consistent, and how they load."""

import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import pytest
import yaml

from aws_orders.contract import PUBLISHED_COLUMNS
from aws_orders.definitions import build_defs, defs

PROJECT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())


def run_python(code: str, **environment: str) -> str:
    """Run code in a new interpreter; its only environment variables are those given."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def pure_modules() -> list[str]:
    """Return the modules that pyproject.toml declares pure for import-linter, `*` resolved."""
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    (pure,) = (each["source_modules"] for each in contracts if each["name"].startswith("Pure"))
    names = [name.replace(".", "/") + ".py" for name in pure]
    paths = [path.relative_to(PROJECT) for name in names for path in PROJECT.glob(name)]
    return [".".join(path.with_suffix("").parts) for path in paths if path.stem != "__init__"]


def test_definitions_load_in_a_fresh_interpreter_without_network_or_credentials() -> None:
    code = """
import socket
def refuse(*_): raise AssertionError("something used the network")
socket.socket.connect = socket.getaddrinfo = refuse
import aws_orders.definitions
import sys
heavy = {"pandas", "laptop_aws", "ministack"} & set(sys.modules)
print(sorted(heavy))
"""
    assert run_python(code, HOME="/nonexistent") == "[]\n"


@pytest.mark.parametrize("module", pure_modules())
def test_pure_modules_import_no_dagster_and_no_boto3(module: str) -> None:
    code = f"import sys, {module}; print({{'dagster', 'boto3'}} & set(sys.modules))"
    assert run_python(code) == "set()\n"


def test_the_assets_their_dependencies_groups_and_kinds_are_these() -> None:
    graph = defs.resolve_asset_graph()
    found = {
        key.to_user_string(): (
            sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            graph.get(key).group_name,
            sorted(graph.get(key).kinds),
        )
        for key in graph.get_all_asset_keys()
    }
    assert found == {
        "raw_products_csv": ([], "products", ["csv", "s3"]),
        "dynamodb_products": (["raw_products_csv"], "products", ["dynamodb"]),
        "redshift_products": (["dynamodb_products"], "products", ["redshift"]),
        "s3_orders": ([], "orders", ["csv", "s3"]),
        "redshift_orders": (["s3_orders"], "orders", ["redshift"]),
        "detailed_orders_csv": (
            ["redshift_orders", "redshift_products"],
            "detailed_orders",
            ["csv", "redshift", "s3"],
        ),
    }


def test_every_asset_has_an_owner_a_description_a_pool_and_a_column_schema() -> None:
    for definition in defs.assets or []:
        assert isinstance(definition, dg.AssetsDefinition)
        (spec,) = definition.specs
        assert spec.owners == ["team:orders-platform"]
        assert spec.description
        assert len(spec.description) > 60
        assert definition.op.pool == spec.key.to_user_string()
        assert spec.metadata["dagster/column_schema"].columns


def test_the_outputs_columns_are_the_ten_in_their_order() -> None:
    assert [column.name for column in PUBLISHED_COLUMNS] == [
        "order_id",
        "customer_name",
        "customer_email",
        "product_id",
        "product_name",
        "product_category",
        "product_brand",
        "price",
        "quantity",
        "total",
    ]


@pytest.mark.parametrize(
    ("job", "assets"),
    [
        (
            "refresh_all",
            "detailed_orders_csv dynamodb_products orders_checks products_checks "
            "raw_products_csv redshift_orders redshift_products s3_orders",
        ),
        (
            "refresh_products",
            "detailed_orders_csv dynamodb_products products_checks raw_products_csv "
            "redshift_products",
        ),
        ("refresh_orders", "detailed_orders_csv orders_checks redshift_orders s3_orders"),
    ],
)
def test_each_job_refreshes_its_branch_up_to_the_output(job: str, assets: str) -> None:
    nodes = defs.resolve_job_def(job).nodes
    assert sorted(node.name for node in nodes) == assets.split()


def test_dagsters_tools_and_the_workspace_use_the_same_name_for_the_location() -> None:
    project = PYPROJECT["tool"]["dg"]["project"]
    (source,) = yaml.safe_load((PROJECT / "workspace.yaml").read_text())["load_from"]
    module = source["python_module"]
    assert project["code_location_name"] == module["location_name"] == "aws_orders"
    assert project["code_location_target_module"] == module["module_name"]


def test_the_instance_file_is_one_that_dagster_accepts(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").symlink_to(PROJECT / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        queue = instance.get_concurrency_config()
        assert queue.run_queue_config is not None
        assert queue.run_queue_config.max_concurrent_runs == 4
        assert queue.pool_config.default_pool_limit == 1
        assert Path(instance.storage_directory()).is_relative_to(tmp_path)


def test_the_password_is_a_secret_and_no_setting_is_read_at_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDSHIFT_PASSWORD", "planted-secret")
    resource = (build_defs().resources or {})["redshift"]
    field = type(resource).model_fields["password"]
    assert field.json_schema_extra == {"dagster__is_secret": True}
    assert "planted-secret" not in repr(resource)


def test_overriding_a_resource_leaves_the_others() -> None:
    resources = build_defs({"s3": "mine"}).resources or {}
    assert resources["s3"] == "mine"
    assert set(resources) == {"settings", "s3", "dynamodb", "redshift"}


@pytest.mark.parametrize("steps", ["in_process", "multiprocess"])
def test_the_executor_is_settable_by_run_config(
    steps: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOST", "DATABASE", "USER", "PASSWORD"):
        monkeypatch.setenv(f"REDSHIFT_{name}", "x")
    for name in ("BUCKET", "PRODUCTS_FEED"):
        monkeypatch.setenv(f"AWS_ORDERS_{name}", "x")
    job = defs.resolve_job_def("refresh_all")
    config = {"execution": {"config": {"steps": steps}}}
    assert dg.validate_run_config(job, config)
