"""Runs on ECS: what the launcher calls, held against the role that it has in dagster-ecs.yaml.

There is no ECS here: its answers are canned, at botocore's event before a call is sent. All the
rest is real, from the settings in deploy/dagster.yaml to the requests' arguments.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore
import dagster as dg
import pytest
from dagster._core.launcher import LaunchRunContext  # as the daemon makes it; it has no other name

from aws_orders.cli import laptop
from aws_orders_tests.conftest import Platform
from aws_orders_tests.deploy.calls import Call, needs_of, recorded
from aws_orders_tests.deploy.cloudformation import ACCOUNT, REGION
from aws_orders_tests.deploy.conftest import home_with
from aws_orders_tests.deploy.iam import allows, named, statements
from aws_orders_tests.deploy.test_templates import ecs_template
from laptop_aws.stack import Stack

ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
RUN_TASK = f"{ARN}:task-definition/run:1"
TASKS = f"{ARN}:task/cluster"
INTERFACE = {"NetworkInterfaceId": "eni-1", "Groups": [{"GroupId": "sg-1"}]}
LOG = {"awslogs-group": "log", "awslogs-stream-prefix": "run"}
CONTAINER = {"name": "run", "logConfiguration": {"logDriver": "awslogs", "options": LOG}}
ENI = [
    {"name": "subnetId", "value": "subnet-1"},
    {"name": "networkInterfaceId", "value": "eni-1"},
]
TASK = {
    "taskArn": f"{TASKS}/1",
    "clusterArn": f"{ARN}:cluster/cluster",
    "taskDefinitionArn": RUN_TASK,
    "launchType": "FARGATE",
    "lastStatus": "RUNNING",
    "attachments": [{"type": "ElasticNetworkInterface", "details": ENI}],
    "containers": [{"name": "run", "exitCode": 1}],
}
TASK_DEFINITION = {"taskDefinitionArn": RUN_TASK, "containerDefinitions": [CONTAINER]}
# What the role may do although no call is of that name: what it is for.
PART_OF_OTHERS = {
    "iam:PassRole": "RunTask hands the run its two roles",
    "ecs:TagResource": "RunTask tags the task with the run's id",
    "ssmmessages:CreateControlChannel": "ECS Exec's agent",
    "ssmmessages:CreateDataChannel": "ECS Exec's agent",
    "ssmmessages:OpenControlChannel": "ECS Exec's agent",
    "ssmmessages:OpenDataChannel": "ECS Exec's agent",
}


class Metadata(BaseHTTPRequestHandler):
    """The metadata that ECS gives a container."""

    def do_GET(self) -> None:
        task = {"Cluster": "cluster", "TaskARN": f"{TASKS}/host"}
        body = json.dumps(task if self.path.endswith("/task") else {"Name": "daemon"}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def task() -> dict[str, Any]:
    """Return what ECS says of the run's task; a test may change it."""
    return dict(TASK)


@pytest.fixture
def ecs(
    task: dict[str, Any], platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Let ECS, EC2's interfaces and CloudWatch Logs answer."""
    answers = {
        "DescribeTaskDefinition": {"taskDefinition": TASK_DEFINITION},
        "DescribeTasks": {"tasks": [task]},
        "RunTask": {"tasks": [task], "failures": []},
        "StopTask": {},
        "DescribeNetworkInterfaces": {"NetworkInterfaces": [INTERFACE]},
        "GetLogEvents": {"events": [{"message": "out of memory"}]},
    }

    def answer(model: Any, **_: Any) -> tuple[Any, Any]:
        return SimpleNamespace(status_code=200), answers[model.name]

    def watch(session: Any) -> None:
        for service in ("ecs", "ec2", "logs", "cloudwatch-logs"):
            session.register(f"before-call.{service}.*", answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", f"http://127.0.0.1:{server.server_port}")
    botocore.register_initializer(watch)
    yield
    botocore.unregister_initializer(watch)
    server.shutdown()
    server.server_close()


@pytest.fixture
def launched(
    environment: None,
    ecs: None,
    stack: Stack,
    storage: int,
    tmp_path: Path,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[dg.DagsterInstance, str, list[Call]]]:
    """Launch a run as the daemon does; yield the instance, the run's id and the calls."""
    monkeypatch.setenv("AWS_ORDERS_BUCKET", platform.bucket)
    # Queued by a process without ECS at hand, into the same storage.
    server = home_with("dagster-compose.yaml", tmp_path / "server", storage)
    command = [str(Path(sys.executable).with_name("dagster")), "job", "launch", "-j", "refresh_all"]
    done = subprocess.run(
        [*command, "-m", "aws_orders.definitions"],
        env={**os.environ, **laptop.environment(stack, "a feed", ""), "DAGSTER_HOME": str(server)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    home = home_with("dagster.yaml", tmp_path / "aws", storage)
    with recorded() as calls, dg.DagsterInstance.from_config(str(home)) as instance:
        run = instance.get_runs(limit=1)[0]
        instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
        yield instance, run.run_id, calls


def host_statements() -> list[dict[str, Any]]:
    (policy,) = ecs_template().of_type("AWS::IAM::RolePolicy").values()
    return [dict(statement) for statement in statements(policy["PolicyDocument"])]


def test_a_run_is_a_task_of_the_templates_definition_in_the_hosts_own_network(
    launched: tuple[dg.DagsterInstance, str, list[Call]],
) -> None:
    instance, run_id, calls = launched
    (started,) = [call.arguments for call in calls if call.operation == "RunTask"]
    assert started["taskDefinition"] == RUN_TASK
    assert (started["cluster"], started["launchType"]) == ("cluster", "FARGATE")
    network = started["networkConfiguration"]["awsvpcConfiguration"]
    assert network == {
        "subnets": ["subnet-1"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": "DISABLED",
    }
    (container,) = started["overrides"]["containerOverrides"]
    assert container["name"] == "run"
    assert container["command"][:3] == ["dagster", "api", "execute_run"]
    # ECS takes no more than 8192 characters: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
    assert len(json.dumps(started["overrides"])) < 8192
    assert "clock" not in str(started)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.tags["ecs/task_arn"] == TASK["taskArn"]


def test_the_hosts_role_may_do_what_the_launcher_calls_and_nothing_else(
    launched: tuple[dg.DagsterInstance, str, list[Call]], task: dict[str, Any]
) -> None:
    instance, run_id, calls = launched
    run = instance.get_run_by_id(run_id)
    assert run is not None
    launcher = instance.run_launcher
    assert launcher.check_run_worker_health(run).status.value == "RUNNING"
    assert launcher.terminate(run_id)
    task["lastStatus"] = "STOPPED"
    failed = launcher.check_run_worker_health(run)
    assert failed.status.value == "FAILED"
    assert "out of memory" in (failed.msg or "")
    called = {f"{call.service}:{call.operation}" for call in calls if call.service != "s3"}
    allowed: set[str] = set()
    for statement in host_statements():
        actions = statement["Action"]
        allowed.update(actions if isinstance(actions, list) else [actions])
    assert called <= allowed
    assert allowed - called == PART_OF_OTHERS.keys()


def test_what_steps_print_goes_where_the_policy_opens_and_comes_back(
    platform: Platform,
    ecs: None,
    environment: None,
    storage: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ORDERS_BUCKET", platform.bucket)
    step = ["a-run", "compute_logs", "a-step"]
    home = home_with("dagster.yaml", tmp_path, storage)
    with recorded() as calls, dg.DagsterInstance.from_config(str(home)) as instance:
        logs = instance.compute_log_manager
        with logs.capture_logs(step):
            sys.stdout.write("said by a step\n")
            sys.stdout.flush()
        assert logs.get_log_data(step).stdout == b"said by a step\n"
    (policy,) = (
        ecs_template(AwsOrdersBucket=platform.bucket).of_type("AWS::IAM::ManagedPolicy").values()
    )
    # Listing, and "not found" rather than "forbidden", come from the platform's policy.
    needed = {need for need in needs_of(calls) if need.action != "s3:ListBucket"}
    granted = set(named(policy["PolicyDocument"], "Allow"))
    assert all(allows([policy["PolicyDocument"]], need) for need in needed)
    assert {grant.action for grant in granted} == {need.action for need in needed}
