"""The command line as a user meets it: processes, exit status, output, what is left behind."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_orders.rows.masking import mask
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV

PROJECT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
CLI = str(BIN / "aws-orders")
# Against hanging, on machines of any speed; what is quick does not come near them.
RUN_SECONDS, WATCHED_SECONDS, LEAVING_SECONDS = 480, 1200, 60


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        arguments,
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    # A process that says nothing must not keep its reader for ever.
    watchdog = threading.Timer(WATCHED_SECONDS, process.kill)
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def wait_for_line(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return line
    raise AssertionError(f"{text!r} never came, only: {seen}")


def processes_of(state: Path) -> list[str]:
    """Return the command lines of all processes that work on a state directory."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            words = (directory / "cmdline").read_bytes().decode().split("\0")
            environment = (directory / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(state) in " ".join(words) + environment:
            found.append(" ".join(words))
    return found


def wait_until_gone(state: Path) -> list[str]:
    deadline = time.monotonic() + LEAVING_SECONDS
    while (left := processes_of(state)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def environment_of(state: Path) -> dict[str, str]:
    lines = run(CLI, "env", "--state", str(state)).stdout.splitlines()
    pairs = [line.removeprefix("export ").partition("=") for line in lines]
    return {name: value.strip("'") for name, _, value in pairs}


@contextmanager
def s3_of(environment: dict[str, str]) -> Iterator[Any]:
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id="x",
        aws_secret_access_key="x",
        region_name="us-east-1",
    )
    with closing(client):
        yield client


def detailed(environment: dict[str, str]) -> str:
    bucket = environment["AWS_ORDERS_BUCKET"]
    with s3_of(environment) as s3:
        answer = s3.get_object(Bucket=bucket, Key="output/detailed_orders.csv")
        return str(answer["Body"].read().decode())


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state directory for commands that come after one another; its name has a blank."""
    return tmp_path_factory.mktemp("a state")


def test_run_tells_of_each_asset_then_shows_the_result_and_what_is_next(state: Path) -> None:
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
    assert wait_until_gone(state) == []


def test_run_prints_one_json_object_and_takes_feeds_from_paths(state: Path, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(PRODUCTS_CSV)
    (tmp_path / "o.csv").write_text(ORDERS_CSV)
    feeds = ["--products", str(tmp_path / "p.csv"), "--orders", str(tmp_path / "o.csv")]
    # The table holds the sample's 20 products: another feed must not be taken for a mistake.
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


def test_a_failing_run_exits_with_1_and_says_what_to_do(state: Path) -> None:
    done = run(CLI, "run", "--state", str(state), "--products", "/nowhere/p.csv")
    assert done.returncode == 1
    assert "raw_products_csv failed." in done.stderr
    assert "/nowhere/p.csv: The feed cannot be read" in done.stderr
    assert "to do:" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_state_lasts_between_runs_and_the_sums_agree_to_the_cent(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert run(CLI, "run", "--state", str(state)).returncode == 0
    with started(CLI, "stack", "--state", str(state)) as process:
        wait_for_line(process, "Ctrl-C ends it")
        text = detailed(environment_of(state))
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert wait_until_gone(state) == []
    samples = PROJECT / "aws_orders" / "samples"
    orders = list(csv.DictReader(io.StringIO((samples / "orders.csv").read_text())))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum(Decimal(row["total"]) for row in rows) == sum(Decimal(o["total"]) for o in orders)
    assert [row["order_id"] for row in rows] == [order["order_id"] for order in orders]


@pytest.fixture
def two_stacks(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    first, second = tmp_path / "one", tmp_path / "two"
    with (
        started(CLI, "stack", "--state", str(first)) as one,
        started(CLI, "stack", "--state", str(second)) as two,
    ):
        wait_for_line(one, "Ctrl-C ends it")
        wait_for_line(two, "Ctrl-C ends it")
        yield first, second
    assert wait_until_gone(tmp_path) == []


def test_two_stacks_run_side_by_side_and_dagsters_own_commands_work_on_either(
    two_stacks: tuple[Path, Path],
) -> None:
    first, second = map(environment_of, two_stacks)
    ports = {e[name] for e in (first, second) for name in ("AWS_ENDPOINT_URL", "REDSHIFT_PORT")}
    assert len(ports) == 4
    dagster = str(BIN / "dagster")
    done = run(
        *(dagster, "asset", "materialize", "--select", "*", "-m", "aws_orders.definitions"),
        **first,
        AWS_ORDERS_EXECUTOR="multiprocess",
    )
    assert done.returncode == 0, done.stderr
    assert detailed(first).count("\n") == 101
    with pytest.raises(Exception, match="NoSuchKey"):
        detailed(second)
    refused = run(CLI, "reset", "--state", str(two_stacks[0]))
    assert refused.returncode == 1
    assert "Stop it" in refused.stderr
    again = run(CLI, "stack", "--state", str(two_stacks[0]))
    assert again.returncode == 1
    assert "runs on" in again.stderr
    attached = run(CLI, "run", "--state", str(two_stacks[1]))
    assert attached.returncode == 0, attached.stderr
    assert detailed(second) == detailed(first)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_however_a_stack_ends_no_process_is_left(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with started(CLI, "stack", "--state", str(tmp_path)) as process:
        wait_for_line(process, "Ctrl-C ends it")
        assert len(processes_of(tmp_path)) >= 4
        process.send_signal(number)
        assert process.wait() == status
    assert wait_until_gone(tmp_path) == []
    assert run(CLI, "env", "--state", str(tmp_path)).returncode == 1


def test_a_run_killed_anywhere_and_run_again_comes_to_the_same(tmp_path: Path) -> None:
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
    assert wait_until_gone(tmp_path) == []


def test_a_dead_child_ends_the_stack_with_an_error(tmp_path: Path) -> None:
    with started(CLI, "stack", "--state", str(tmp_path)) as process:
        wait_for_line(process, "Ctrl-C ends it")
        postmaster = (tmp_path / "postgres" / "postmaster.pid").read_text().split()[0]
        os.kill(int(postmaster), signal.SIGKILL)
        assert "ended unexpectedly" in wait_for_line(process, "aws-orders:")
        assert process.wait() == 1


def test_env_without_a_stack_says_how_to_start_one(tmp_path: Path) -> None:
    done = run(CLI, "env", "--state", str(tmp_path))
    assert done.returncode == 1
    assert f"aws-orders stack --state {tmp_path}" in done.stderr
    assert done.stdout == ""


def test_reset_deletes_only_what_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    refused = run(CLI, "reset", "--state", str(tmp_path))
    assert refused.returncode == 1
    assert "nothing was deleted" in refused.stderr
    assert (tmp_path / "thesis.txt").exists()
    assert "There is no" in run(CLI, "reset", "--state", str(tmp_path / "none")).stdout


def test_the_stack_listens_on_this_machine_alone(tmp_path: Path) -> None:
    with started(CLI, "stack", "--state", str(tmp_path)) as process:
        wait_for_line(process, "Ctrl-C ends it")
        environment: dict[str, Any] = environment_of(tmp_path)
        ports = {
            int(environment["AWS_ENDPOINT_URL"].rpartition(":")[2]),
            int(environment["REDSHIFT_PORT"]),
        }
        listening = {
            (local.rpartition(":")[0], int(local.rpartition(":")[2], 16))
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
            if (local := line.split()[1]) and line.split()[3] == "0A"
        }
    assert {address for address, port in listening if port in ports} == {"0100007F"}


def test_addresses_are_masked_but_for_the_first_letter_and_the_domain() -> None:
    assert mask("ada@example.org") == "a***@example.org"
    assert mask("") == "***"
