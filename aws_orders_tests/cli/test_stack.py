"""`aws-orders stack`, `env` and `reset`: which processes run, and which state is kept."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aws_orders_tests.cli.processes import (
    BIN,
    CLI,
    detailed,
    environment_of,
    processes_of,
    run,
    started,
    wait_for_line,
    wait_until_ended,
)


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
    assert wait_until_ended(tmp_path) == []


def test_two_stacks_run_at_the_same_time_and_dagsters_commands_work_on_both(
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
    assert "already runs on" in again.stderr
    attached = run(CLI, "run", "--state", str(two_stacks[1]))
    assert attached.returncode == 0, attached.stderr
    assert detailed(second) == detailed(first)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_no_process_remains_however_a_stack_ends(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with started(CLI, "stack", "--state", str(tmp_path)) as process:
        wait_for_line(process, "Ctrl-C ends it")
        assert len(processes_of(tmp_path)) >= 4
        process.send_signal(number)
        assert process.wait() == status
    assert wait_until_ended(tmp_path) == []
    assert run(CLI, "env", "--state", str(tmp_path)).returncode == 1


def test_a_dead_child_ends_the_stack_with_an_error(tmp_path: Path) -> None:
    with started(CLI, "stack", "--state", str(tmp_path)) as process:
        wait_for_line(process, "Ctrl-C ends it")
        postmaster = (tmp_path / "postgres" / "postmaster.pid").read_text().split()[0]
        os.kill(int(postmaster), signal.SIGKILL)
        assert "ended unexpectedly" in wait_for_line(process, "aws-orders:")
        assert process.wait() == 1


def test_env_without_a_stack_prints_how_to_start_one(tmp_path: Path) -> None:
    done = run(CLI, "env", "--state", str(tmp_path))
    assert done.returncode == 1
    assert f"aws-orders stack --state {tmp_path}" in done.stderr
    assert done.stdout == ""


def test_reset_deletes_only_state_directories(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    refused = run(CLI, "reset", "--state", str(tmp_path))
    assert refused.returncode == 1
    assert "nothing was deleted" in refused.stderr
    assert (tmp_path / "thesis.txt").exists()
    assert "There is no" in run(CLI, "reset", "--state", str(tmp_path / "none")).stdout


def test_the_stack_listens_only_on_this_machine(tmp_path: Path) -> None:
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
