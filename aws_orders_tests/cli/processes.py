"""Starts `aws-orders`, reads its output, and finds the processes that it leaves."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3

PROJECT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CLI = str(BIN / "aws-orders")
# Timeouts against hanging, long enough for slow machines.
RUN_SECONDS, STARTED_SECONDS, END_SECONDS = 480, 1200, 60


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
    # A process without output must not block its reader forever.
    watchdog = threading.Timer(STARTED_SECONDS, process.kill)
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
    raise AssertionError(f"{text!r} was not printed, only: {seen}")


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


def wait_until_ended(state: Path) -> list[str]:
    deadline = time.monotonic() + END_SECONDS
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
