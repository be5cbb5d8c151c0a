"""`aws-orders run`: output, exit status, and what remains."""

import csv
import io
import json
import signal
from decimal import Decimal
from pathlib import Path

import pytest

from aws_orders.rows.masking import mask
from aws_orders_tests.cli.processes import (
    CLI,
    PROJECT,
    detailed,
    environment_of,
    run,
    started,
    wait_for_line,
    wait_until_ended,
)
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state directory for several commands; its name contains a space."""
    return tmp_path_factory.mktemp("a state")


def test_run_prints_each_asset_the_result_and_the_next_command(state: Path) -> None:
    done = run(CLI, "run", "--state", str(state))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sorted(line.split()[0] for line in lines[:6]) == [
        "detailed_orders_csv",
        "dynamodb_products",
        "raw_products_csv",
        "redshift_orders",
        "redshift_products",
        "s3_orders",
    ]
    assert all(line.split()[2] == "rows" and line.endswith(" s") for line in lines[:6])
    assert "s3://aws-orders/output/detailed_orders.csv: 100 rows" in done.stdout
    assert "product_brand" in done.stdout
    assert "***@example." in done.stdout
    assert lines[-1].startswith("Next: make dev")
    assert done.stderr == ""
    assert wait_until_ended(state) == []


def test_run_prints_one_json_object_and_reads_feeds_from_paths(state: Path, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(PRODUCTS_CSV)
    (tmp_path / "o.csv").write_text(ORDERS_CSV)
    feeds = ["--products", str(tmp_path / "p.csv"), "--orders", str(tmp_path / "o.csv")]
    # The table has the 20 products of the sample: another feed would delete most of them.
    refused = run(CLI, "run", "--json", "--state", str(state), *feeds)
    assert refused.returncode == 1
    assert "would delete 17 of 20 products" in refused.stderr
    assert refused.stdout == ""
    assert "--max-delete-share" in refused.stderr
    done = run(CLI, "run", "--json", "--state", str(state), *feeds, "--max-delete-share", "1")
    summary = json.loads(done.stdout)
    assert {name: asset["rows"] for name, asset in summary["assets"].items()} == {
        "raw_products_csv": 3,
        "s3_orders": 3,
        "dynamodb_products": 3,
        "redshift_orders": 3,
        "redshift_products": 3,
        "detailed_orders_csv": 3,
    }
    assert summary["output"]["uri"] == "s3://aws-orders/output/detailed_orders.csv"
    assert (summary["output"]["rows"], summary["output"]["unmatched"]) == (3, 0)
    assert summary["output"]["bytes"] > 100
    assert 0 < sum(asset["seconds"] for asset in summary["assets"].values()) < summary["seconds"]


def test_run_prints_where_the_orders_with_an_unknown_product_are(
    state: Path, tmp_path: Path
) -> None:
    (tmp_path / "p.csv").write_text(PRODUCTS_CSV)
    (tmp_path / "o.csv").write_text(ORDERS_CSV + "4,Ada Dahl,ada@example.org,99,1,1,1\n")
    feeds = ["--products", str(tmp_path / "p.csv"), "--orders", str(tmp_path / "o.csv")]
    done = run(CLI, "run", "--state", str(state), *feeds, "--max-delete-share", "1")
    assert done.returncode == 0, done.stderr
    file = "s3://aws-orders/output/unmatched_orders.csv"
    assert f"1 order has an unknown product: {file}" in done.stdout


def test_a_failed_run_exits_with_1_and_prints_the_fix(state: Path) -> None:
    done = run(CLI, "run", "--state", str(state), "--products", "/nowhere/p.csv")
    assert done.returncode == 1
    assert "raw_products_csv failed." in done.stderr
    assert "/nowhere/p.csv: The feed cannot be read" in done.stderr
    assert "to do:" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_state_is_kept_between_runs_and_the_sums_are_equal_to_the_cent(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert run(CLI, "run", "--state", str(state)).returncode == 0
    with started(CLI, "stack", "--state", str(state)) as process:
        wait_for_line(process, "Ctrl-C ends it")
        text = detailed(environment_of(state))
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert wait_until_ended(state) == []
    samples = PROJECT / "aws_orders" / "samples"
    orders = list(csv.DictReader(io.StringIO((samples / "orders.csv").read_text())))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum(Decimal(row["total"]) for row in rows) == sum(Decimal(o["total"]) for o in orders)
    assert [row["order_id"] for row in rows] == [order["order_id"] for order in orders]


def test_a_killed_run_that_is_repeated_has_the_same_result(tmp_path: Path) -> None:
    state = str(tmp_path)
    for asset in ("raw_products_csv", "redshift_orders", "redshift_products"):
        with started(CLI, "run", "--state", state) as process:
            wait_for_line(process, asset)
            process.kill()
    done = run(CLI, "run", "--json", "--state", state)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["output"]["rows"] == 100
    with started(CLI, "stack", "--state", state) as process:
        wait_for_line(process, "Ctrl-C ends it")
        killed = detailed(environment_of(tmp_path))
    assert killed.count("\n") == 101
    assert len(set(killed.splitlines())) == 101
    assert wait_until_ended(tmp_path) == []


def test_addresses_are_masked_except_for_the_first_letter_and_the_domain() -> None:
    assert mask("ada@example.org") == "a***@example.org"
    assert mask("") == "***"
