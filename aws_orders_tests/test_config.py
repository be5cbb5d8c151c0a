"""Environment variables: which values load, what is reported, and that the page is current."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from aws_orders import config
from aws_orders.config import VARIABLES, check_environment, markdown
from aws_orders.definitions import build_defs
from aws_orders.errors import DataError
from aws_orders.orders.assets import OrdersConfig
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.settings import Settings

PROJECT = Path(__file__).parent.parent
CHOICES = {
    "AWS_ORDERS_EXECUTOR": "in_process or multiprocess",
    "AWS_ORDERS_FRESHNESS_HOURS": "a number from 0.1 to 8760",
    "AWS_ORDERS_MAX_BAD_SHARE": "a number from 0 to 1",
    "AWS_ORDERS_ON_BAD_ROWS": "fail or quarantine",
    "AWS_ORDERS_SENSORS": "stopped or running",
    "AWS_ORDERS_WATCH_PRODUCTS_TABLE": "true or false",
    "REDSHIFT_AUTH": "password, serverless, cluster or secret",
    "REDSHIFT_PORT": "a whole number from 1 to 65535",
    "REDSHIFT_SSLMODE": "disable, allow, prefer, require, verify-ca or verify-full",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)


def test_an_empty_environment_is_valid() -> None:
    check_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "nonsense") for name in CHOICES),
        *((name, " ") for name in CHOICES),
        *(("REDSHIFT_PORT", value) for value in ("0", "-1", "65536", "54.5", "5439x", "0x10")),
        *(("AWS_ORDERS_MAX_BAD_SHARE", value) for value in ("1.01", "-0.1", "5%", "nan", "inf")),
        *(("AWS_ORDERS_FRESHNESS_HOURS", value) for value in ("0", "-26", "nan", "1e400", "26h")),
        ("AWS_ORDERS_ON_BAD_ROWS", "Fail"),
        ("AWS_ORDERS_WATCH_PRODUCTS_TABLE", "yes"),
    ],
)
def test_a_value_that_is_not_allowed_stops_loading_with_what_is_allowed(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(DataError) as caught:
        build_defs()
    assert caught.value.where == name
    assert caught.value.expected == f"{name}: {CHOICES[name]}"
    assert caught.value.found == f"{name}={value!r}"


def test_one_error_lists_all_values_that_are_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CHOICES:
        monkeypatch.setenv(name, f"no {name.lower()}")
    with pytest.raises(DataError) as caught:
        build_defs()
    for name, allowed in CHOICES.items():
        assert f"{name}: {allowed}" in str(caught.value)
        assert f"{name}='no {name.lower()}'" in str(caught.value)


def test_every_other_variable_may_be_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        if variable.name not in CHOICES:
            monkeypatch.setenv(variable.name, "näh\n")
    check_environment()


@pytest.mark.parametrize("name", CHOICES)
def test_an_empty_value_counts_as_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [variable.read() for variable in VARIABLES]
    monkeypatch.setenv(name, "")
    assert [variable.read() for variable in VARIABLES] == before
    build_defs()


def test_what_is_set_when_definitions_are_built_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ORDERS_FRESHNESS_HOURS", "1.5")
    monkeypatch.setenv("AWS_ORDERS_SENSORS", "running")
    monkeypatch.setenv("AWS_ORDERS_MAX_BAD_SHARE", "0.2")
    monkeypatch.setenv("AWS_ORDERS_WATCH_PRODUCTS_TABLE", "true")
    built = build_defs()
    graph = built.resolve_asset_graph()
    policies = {
        key.to_user_string(): graph.get(key).freshness_policy for key in graph.get_all_asset_keys()
    }
    expected = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=1.5))
    found = {name: policy for name, policy in policies.items() if policy}
    assert found == {"redshift_orders": expected, "detailed_orders_csv": expected}
    statuses = {sensor.default_status for sensor in built.sensors or []}
    assert statuses == {dg.DefaultSensorStatus.RUNNING}
    settings = (built.resources or {})["settings"]
    assert (settings.max_bad_share, settings.watch_products_table) == (0.2, True)


def test_a_run_reads_values_when_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BUCKET", "PRODUCTS_FEED", "ON_BAD_ROWS"):
        monkeypatch.setenv(f"AWS_ORDERS_{name}", "fail")
    settings = (build_defs().resources or {})["settings"]
    monkeypatch.setenv("AWS_ORDERS_BUCKET", "later")
    monkeypatch.setenv("AWS_ORDERS_ON_BAD_ROWS", "quarantine")
    found = settings.process_config_and_initialize()
    assert (found.bucket, found.on_bad_rows) == ("later", "quarantine")


def test_a_run_reports_every_required_variable_that_is_missing() -> None:
    job = build_defs().resolve_job_def("refresh_all")
    with pytest.raises(dg.DagsterInvalidConfigError) as caught:
        job.execute_in_process()
    required = [variable.name for variable in VARIABLES if variable.required]
    assert required == ["AWS_ORDERS_BUCKET", "AWS_ORDERS_PRODUCTS_FEED", "REDSHIFT_DATABASE"]
    for name in required:
        assert f'"{name}" which is not set' in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "run", "share"),
    [
        ({}, {}, 0),
        ({"max_bad_share": 0.2}, {}, 0),
        ({"on_bad_rows": "quarantine"}, {}, 0.05),
        ({"on_bad_rows": "quarantine", "max_bad_share": 0.2}, {}, 0.2),
        ({"on_bad_rows": "quarantine"}, {"on_bad_rows": "fail"}, 0),
        ({"on_bad_rows": "quarantine", "max_bad_share": 0.2}, {"max_bad_share": 0}, 0),
        ({"max_bad_share": 0.2}, {"on_bad_rows": "quarantine"}, 0.2),
        ({}, {"on_bad_rows": "quarantine", "max_bad_share": 1}, 1),
    ],
)
def test_a_runs_config_overrides_the_environment(
    environment: dict[str, object], run: dict[str, object], share: float
) -> None:
    names: dict[str, object] = {"bucket": "b", "products_feed": "p"}
    settings = Settings.model_validate(names | environment)
    assert OrdersConfig.model_validate(run).allowed_share(settings) == share


def test_a_prefix_that_starts_with_a_slash_stops_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ORDERS_PREFIX", "/shop/")
    with pytest.raises(DataError, match="AWS_ORDERS_PREFIX: a prefix that does not start with"):
        check_environment()


@pytest.mark.parametrize("value", ["", "Fail", "no", "fail\n"])
def test_a_runs_config_has_only_the_two_words(value: str) -> None:
    with pytest.raises(ValueError, match="on_bad_rows"):
        OrdersConfig(on_bad_rows=value)


def test_each_variable_of_the_warehouse_has_a_field_with_the_same_default() -> None:
    for field, variable in config.WAREHOUSE.items():
        declared = RedshiftResource.model_fields[field]
        assert declared.is_required() == variable.required
        if not variable.required:
            assert declared.default == variable.read()


def test_the_page_has_the_table_that_make_docs_writes() -> None:
    page = (PROJECT / "docs" / "configuration.md").read_text()
    assert page.endswith("\n\n" + markdown()), "run `make docs`"


def test_only_config_and_the_command_line_read_the_environment() -> None:
    package = PROJECT / "aws_orders"
    readers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(word in path.read_text() for word in ("os.environ", "getenv"))
    }
    assert {name for name in readers if not name.startswith("cli/")} == {"config.py"}


def run_command(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the virtual environment with no environment but what is given."""
    program = Path(sys.executable).with_name(command[0])
    given = {"HOME": "/nonexistent", "PATH": str(program.parent), **environment}
    return subprocess.run(
        [program, *command[1:]], env=given, cwd=PROJECT, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_dg_checks_the_definitions_without_any_variable(tmp_path: Path) -> None:
    done = run_command("dg", "check", "defs", HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_dg_shows_which_values_are_not_allowed(tmp_path: Path) -> None:
    wrong = {"AWS_ORDERS_ON_BAD_ROWS": "keep", "REDSHIFT_PORT": "none"}
    done = run_command("dg", "check", "defs", HOME=str(tmp_path), **wrong)
    assert done.returncode != 0
    for shown in ("AWS_ORDERS_ON_BAD_ROWS='keep'", "REDSHIFT_PORT='none'", "fail or quarantine"):
        assert shown in done.stdout + done.stderr


@pytest.mark.slow
def test_the_doctor_reports_values_that_are_not_allowed_and_what_is_missing() -> None:
    done = run_command("aws-orders", "doctor", AWS_ORDERS_ON_BAD_ROWS="keep")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "AWS_ORDERS_ON_BAD_ROWS='keep'" in done.stderr
    done = run_command("aws-orders", "doctor")
    assert done.returncode == 1
    for variable in VARIABLES:
        assert (f"missing  {variable.name}\n" in done.stdout) == variable.required
