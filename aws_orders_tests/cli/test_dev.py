"""`aws-orders dev` with its real daemon: deliveries are published, failures are notified."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
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
    wait_until_ended,
)
from laptop_aws import ports

UI_PORT = 24_400
# A timeout against hanging, long enough for slow machines; on an idle one it takes 30 s.
WAIT_SECONDS = 240
TICKS = """{ sensorOrError(sensorSelector: {repositoryLocationName: "aws_orders",
    repositoryName: "__repository__", sensorName: "ended_runs"})
    { ... on Sensor { sensorState { ticks(limit: 1) { status } } } } }"""
RUNS = "{ runsOrError { ... on Runs { results { status tags { key value } } } } }"


def query_api(port: int, query: str) -> dict[str, Any]:
    body = json.dumps({"query": query}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, headers)
    with urllib.request.urlopen(request) as answer:
        found: dict[str, Any] = json.load(answer)["data"]
    return found


def runs(port: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = query_api(port, RUNS)["runsOrError"]["results"]
    return found


def until(seen: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """Return the result of `seen` when it is true, or after the timeout."""
    deadline = time.monotonic() + seconds
    while not (found := seen()) and time.monotonic() < deadline:
        time.sleep(1)
    return found


def test_deliveries_are_published_by_few_runs_and_each_once(tmp_path: Path) -> None:
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
    assert wait_until_ended(tmp_path) == []


@contextmanager
def notifications(
    environment: dict[str, str], topic_name: str
) -> Iterator[Callable[[], list[str]]]:
    """Create a topic; yield a function that returns the subjects of new notifications."""
    keys: dict[str, Any] = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    place: dict[str, Any] = {
        "endpoint_url": environment["AWS_ENDPOINT_URL"],
        "region_name": "us-east-1",
    }
    with (
        closing(boto3.client("sqs", **keys, **place)) as sqs,
        closing(boto3.client("sns", **keys, **place)) as sns,
    ):
        queue = sqs.create_queue(QueueName="mails")["QueueUrl"]
        topic = sns.create_topic(Name=topic_name)["TopicArn"]
        arn = "arn:aws:sqs:us-east-1:000000000000:mails"
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

        def subjects() -> list[str]:
            # Invisible for the duration of the test.
            found = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=3600)
            return [json.loads(m["Body"])["Subject"] for m in found.get("Messages", [])]

        yield subjects


def test_a_faulty_delivery_is_notified_once_and_its_correction_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ORDERS_ALERTS_TOPIC", "arn:aws:sns:us-east-1:000000000000:alerts")
    with (
        ports.claimed(UI_PORT) as port,
        started(CLI, "dev", "--state", str(tmp_path), "--port", str(port)) as process,
    ):
        wait_for_line(process, "Dagster's web UI")
        environment = environment_of(tmp_path)
        with notifications(environment, "alerts") as subjects, s3_of(environment) as s3:

            def deliver(text: str) -> None:
                bucket = environment["AWS_ORDERS_BUCKET"]
                s3.put_object(Bucket=bucket, Key="input/orders/a.csv", Body=text.encode())

            assert until(lambda: query_api(port, TICKS)["sensorOrError"]["sensorState"]["ticks"])
            deliver("order_id,customer_name\n1,Ann\n")
            assert until(subjects) == ["FAILED: redshift_orders (aws-orders)"]
            deliver("order_id,customer_name,customer_email\n1,Ann,ann@example.org\n")
            assert until(lambda: len(runs(port)) > 1)
            header = "order_id,customer_name,customer_email,product_id,price,quantity,total"
            deliver(f"{header}\n1,Ann,ann@example.org,1,1.00,1,1.00\n")
            assert until(subjects) == ["RECOVERED: redshift_orders (aws-orders)"]
        process.terminate()
        process.wait()
    assert wait_until_ended(tmp_path) == []
