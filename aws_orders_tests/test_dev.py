"""A file on S3 comes out in the result by itself, with the real daemon of `aws-orders dev`."""

import json
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

from aws_orders_tests.test_cli import (
    CLI,
    detailed,
    environment_of,
    run,
    s3_of,
    started,
    wait_for_line,
    wait_until_gone,
)

PROMISED_SECONDS = 60
RUNS = "{ runsOrError { ... on Runs { results { status tags { key value } } } } }"


def runs(port: int) -> list[dict[str, Any]]:
    body = json.dumps({"query": RUNS}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, headers)
    with urllib.request.urlopen(request) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["runsOrError"]["results"]
    return found


def test_deliveries_show_up_within_a_minute_in_few_runs_and_each_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    header = "order_id,customer_name,customer_email,product_id,price,quantity,total"
    with started(CLI, "dev", "--state", str(tmp_path), "--port", str(port)) as process:
        wait_for_line(process, "Dagster's web UI")
        assert run(CLI, "run", "--state", str(tmp_path)).returncode == 0
        environment = environment_of(tmp_path)
        deadline = time.monotonic() + PROMISED_SECONDS
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
