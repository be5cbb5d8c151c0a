"""With the real daemon of `aws-orders dev`: files come out in the result, failures are told."""

import json
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_orders_tests.cli.processes import (
    CLI,
    detailed,
    environment_of,
    run,
    s3_of,
    started,
    wait_for_line,
    wait_until_gone,
)
from laptop_aws import ports

UI_PORT = 24_400
# Half a minute where nothing else runs; they are against hanging, on machines of any speed.
WAIT_SECONDS = 240
TICKS = """{ sensorOrError(sensorSelector: {repositoryLocationName: "aws_orders",
    repositoryName: "__repository__", sensorName: "ended_runs"})
    { ... on Sensor { sensorState { ticks(limit: 1) { status } } } } }"""
RUNS = "{ runsOrError { ... on Runs { results { status tags { key value } } } } }"


def ask(port: int, query: str) -> dict[str, Any]:
    body = json.dumps({"query": query}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, headers)
    with urllib.request.urlopen(request) as answer:
        found: dict[str, Any] = json.load(answer)["data"]
    return found


def runs(port: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(port, RUNS)["runsOrError"]["results"]
    return found


def until(seen: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """Return what `seen` returns once it is true, or at the end of the wait."""
    deadline = time.monotonic() + seconds
    while not (found := seen()) and time.monotonic() < deadline:
        time.sleep(1)
    return found


def test_deliveries_show_up_by_themselves_in_few_runs_and_each_once(tmp_path: Path) -> None:
    header = "order_id,customer_name,customer_email,product_id,price,quantity,total"
    with (
        ports.claimed(UI_PORT) as port,
        started(CLI, "dev", "--state", str(tmp_path), "--port", str(port)) as process,
    ):
        wait_for_line(process, "Dagster's web UI")
        assert run(CLI, "run", "--state", str(tmp_path)).returncode == 0
        environment = environment_of(tmp_path)
        deadline = time.monotonic() + WAIT_SECONDS
        with s3_of(environment) as s3:
            for order in range(1001, 1051):
                s3.put_object(
                    Bucket=environment["AWS_ORDERS_BUCKET"],
                    Key=f"input/orders/{order}.csv",
                    Body=f"{header}\n{order},Ann,ann@example.org,1,1.00,1,1.00\n".encode(),
                )
        while (text := detailed(environment)).count(",Ann,") < 50 and time.monotonic() < deadline:
            time.sleep(1)
        assert sorted(line.split(",")[0] for line in text.splitlines() if ",Ann," in line) == [
            str(order) for order in range(1001, 1051)
        ]
        by_sensor = [
            run
            for run in runs(port)
            if {"key": "dagster/sensor_name", "value": "orders_landed"} in run["tags"]
        ]
        assert 1 <= len(by_sensor) <= 3
        process.terminate()
        process.wait()
    assert wait_until_gone(tmp_path) == []


def test_a_broken_delivery_is_told_once_and_so_is_its_correction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:alerts"
    monkeypatch.setenv("AWS_ORDERS_ALERTS_TOPIC", topic)
    with (
        ports.claimed(UI_PORT) as port,
        started(CLI, "dev", "--state", str(tmp_path), "--port", str(port)) as process,
    ):
        wait_for_line(process, "Dagster's web UI")
        environment = environment_of(tmp_path)
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        place = {"endpoint_url": environment["AWS_ENDPOINT_URL"], "region_name": "us-east-1"}
        with (
            closing(boto3.client("sqs", **keys, **place)) as sqs,
            closing(boto3.client("sns", **keys, **place)) as sns,
            s3_of(environment) as s3,
        ):
            queue = sqs.create_queue(QueueName="mails")["QueueUrl"]
            assert sns.create_topic(Name="alerts")["TopicArn"] == topic
            arn = "arn:aws:sqs:us-east-1:000000000000:mails"
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

            def deliver(text: str) -> None:
                bucket = environment["AWS_ORDERS_BUCKET"]
                s3.put_object(Bucket=bucket, Key="input/orders/a.csv", Body=text.encode())

            def mails() -> list[str]:
                # Out of sight for as long as the test lasts.
                found = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=3600)
                return [json.loads(m["Body"])["Subject"] for m in found.get("Messages", [])]

            assert until(lambda: ask(port, TICKS)["sensorOrError"]["sensorState"]["ticks"])
            deliver("order_id,customer_name\n1,Ann\n")
            assert until(mails) == ["FAILED: redshift_orders (aws-orders)"]
            deliver("order_id,customer_name,customer_email\n1,Ann,ann@example.org\n")
            assert until(lambda: len(runs(port)) > 1)
            header = "order_id,customer_name,customer_email,product_id,price,quantity,total"
            deliver(f"{header}\n1,Ann,ann@example.org,1,1.00,1,1.00\n")
            assert until(mails) == ["RECOVERED: redshift_orders (aws-orders)"]
        process.terminate()
        process.wait()
    assert wait_until_gone(tmp_path) == []
