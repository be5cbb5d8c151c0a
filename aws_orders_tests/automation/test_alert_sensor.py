"""The alert sensor on a real Dagster instance: when it notifies, and what arrives."""

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest

from aws_orders.automation.sensors import build_sensors
from aws_orders.errors import DataError
from aws_orders.resources.settings import Settings
from aws_orders_tests.conftest import PRODUCTS_CSV, Platform
from laptop_aws.stack import Stack

_, _, _, ended_runs = build_sensors(running=False)


@dataclass
class AlertSensor:
    """The sensor on a Dagster instance, and a queue that is subscribed to its topic."""

    instance: dg.DagsterInstance
    sqs: Any
    queue: str
    topic: str
    cursor: str | None = None
    faults: dict[str, Exception | None] = field(default_factory=dict)

    def tick(self, topic: str | None = None) -> str | None:
        """Evaluate the sensor once, like the daemon; return its skip reason."""
        settings = Settings(
            bucket="shop",
            products_table="",
            products_feed="",
            alerts_topic=self.topic if topic is None else topic,
            ui_url="http://ui",
        )
        context = dg.build_sensor_context(
            self.instance, self.cursor, resources={"settings": settings}
        )
        data = ended_runs.evaluate_tick(context)
        self.cursor = data.cursor
        return data.skip_message

    def run(self, *selection: str, **checks: bool) -> str:
        """Run some of `first`, `second`, `other`, with their `faults`; return the run's id."""

        def make(name: str, *deps: str) -> dg.AssetsDefinition:
            @dg.asset(name=name, deps=deps)
            def made() -> None:
                if fault := self.faults.get(name):
                    raise fault

            return made

        @dg.asset_check(asset="first", blocking=True)
        def complete() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(
                passed=checks.get("complete", True), description="2 rows of ada@example.org lack"
            )

        defs = dg.Definitions(
            assets=[make("first"), make("second", "first"), make("other")],
            asset_checks=[complete],
            jobs=[dg.define_asset_job("refresh", selection=list(selection) or "*")],
            executor=dg.in_process_executor,
            loggers={},
        )
        job = defs.resolve_job_def("refresh")
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        result = job.execute_in_process(quiet, instance=self.instance, raise_on_error=False)
        return result.run_id

    def notifications(self) -> list[tuple[str, str]]:
        """Receive and delete what has arrived; return subjects and bodies."""
        answer = self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=0
        )
        found = []
        for message in answer.get("Messages", []):
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            content = json.loads(message["Body"])
            found.append((content["Subject"], content["Message"]))
        return found


@pytest.fixture
def alerts(stack: Stack) -> Iterator[AlertSensor]:
    name = f"t{uuid.uuid4().hex[:12]}"
    with ExitStack() as open_until_then:
        enter = open_until_then.enter_context
        sqs, sns = enter(closing(boto3.client("sqs"))), enter(closing(boto3.client("sns")))
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        about = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        topic = sns.create_topic(Name=name)["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=about["Attributes"]["QueueArn"])
        alerts = AlertSensor(enter(dg.DagsterInstance.ephemeral()), sqs, queue, topic)
        alerts.tick()
        yield alerts


def test_without_a_topic_the_sensor_skips_with_a_reason(alerts: AlertSensor) -> None:
    before = alerts.cursor
    assert alerts.tick(topic="") == "No topic is configured (AWS_ORDERS_ALERTS_TOPIC)."
    assert alerts.cursor == before


def test_a_failure_is_reported_once_and_its_recovery_once(alerts: AlertSensor) -> None:
    alerts.faults["first"] = ValueError("no such key for ada@example.org")
    run_id = alerts.run()
    assert alerts.tick() == "Notified: FAILED: first (shop)"
    ((subject, body),) = alerts.notifications()
    assert subject == "FAILED: first (shop)"
    assert "  ValueError: no such key for …@…\n" in body
    assert "Not refreshed because of this: second\n" in body
    assert f"http://ui/runs/{run_id}\n" in body
    for _ in range(3):
        alerts.run()
        alerts.tick()
    assert alerts.notifications() == []
    alerts.faults.clear()
    alerts.run("other")
    alerts.tick()
    assert alerts.notifications() == []
    alerts.run()
    alerts.tick()
    ((subject, body),) = alerts.notifications()
    assert subject == "RECOVERED: first (shop)"
    assert "in 4 runs)" in body
    alerts.run()
    alerts.tick()
    assert alerts.notifications() == []


def test_a_failed_blocking_check_is_reported_for_its_asset_with_its_description(
    alerts: AlertSensor,
) -> None:
    alerts.run(complete=False)
    alerts.tick()
    ((subject, body),) = alerts.notifications()
    assert subject == "FAILED: first (shop)"
    assert "  The blocking check complete failed: 2 rows of …@… lack\n" in body
    assert "Not refreshed because of this: second\n" in body
    alerts.run(complete=False)
    alerts.tick()
    assert alerts.notifications() == []
    alerts.run()
    alerts.tick()
    assert [subject for subject, _ in alerts.notifications()] == ["RECOVERED: first (shop)"]


def test_a_killed_run_is_reported_for_the_assets_that_it_did_not_reach(
    alerts: AlertSensor,
) -> None:
    defs = dg.Definitions(
        assets=[dg.AssetsDefinition.from_op(dg.op(name="first")(lambda: None))],
        jobs=[dg.define_asset_job("refresh", "*")],
    )
    run = alerts.instance.create_run_for_job(defs.resolve_job_def("refresh"))
    alerts.instance.report_run_failed(run, "The process of the run has died.")
    alerts.tick()
    ((subject, body),) = alerts.notifications()
    assert subject == "FAILED: first (shop)"
    assert "  The process of the run has died.\n" in body
    alerts.run()
    alerts.tick()
    assert [subject for subject, _ in alerts.notifications()] == ["RECOVERED: first (shop)"]


def test_a_job_without_assets_is_reported_by_its_name(alerts: AlertSensor) -> None:
    @dg.op
    def step() -> None:
        if fault := alerts.faults.get("step"):
            raise fault

    @dg.job(logger_defs={})
    def tidy() -> None:
        step()

    for alerts.faults["step"] in (OSError("full"), None):
        tidy.execute_in_process(instance=alerts.instance, raise_on_error=False)
        alerts.tick()
    subjects = [subject for subject, _ in alerts.notifications()]
    assert subjects == ["FAILED: job tidy (shop)", "RECOVERED: job tidy (shop)"]


def test_several_notifications_are_sent_one_per_tick_and_in_order(alerts: AlertSensor) -> None:
    alerts.faults["first"] = alerts.faults["other"] = OSError("unavailable")
    alerts.run("other")
    alerts.run("first")
    alerts.faults.clear()
    alerts.run()
    for _ in range(5):
        alerts.tick()
    assert [subject for subject, _ in alerts.notifications()] == [
        "FAILED: other (shop)",
        "FAILED: first (shop)",
        "RECOVERED: first and 1 more (shop)",
    ]


def test_a_topic_that_cannot_be_reached_fails_the_tick_and_the_next_tick_notifies(
    alerts: AlertSensor,
) -> None:
    alerts.faults["first"] = OSError("unavailable")
    alerts.run()
    before = alerts.cursor
    for _ in range(2):
        with pytest.raises(DataError, match="NotFound"):
            alerts.tick(topic=f"{alerts.topic}-gone")
    with pytest.raises(DataError, match="the ARN of an SNS topic"):
        alerts.tick(topic="https://sqs.example/queue")
    assert alerts.cursor == before
    alerts.tick()
    assert [subject for subject, _ in alerts.notifications()] == ["FAILED: first (shop)"]


def test_a_restarted_daemon_reports_what_failed_meanwhile_and_nothing_twice(
    alerts: AlertSensor, tmp_path: Path
) -> None:
    def instance() -> dg.DagsterInstance:
        return dg.DagsterInstance.local_temp(str(tmp_path))

    with instance() as alerts.instance:
        alerts.cursor = None
        alerts.tick()
        alerts.faults["first"] = OSError("unavailable")
        alerts.run()
        alerts.tick()
        alerts.run()
        alerts.faults["other"] = OSError("unavailable, too")
        alerts.run("other")
    with instance() as alerts.instance:
        for _ in range(3):
            alerts.tick()
    subjects = [subject for subject, _ in alerts.notifications()]
    assert subjects == ["FAILED: first (shop)", "FAILED: other (shop)"]


def test_failures_before_the_sensor_was_started_are_not_reported(alerts: AlertSensor) -> None:
    alerts.faults["first"] = OSError("unavailable")
    alerts.run()
    alerts.cursor = None
    assert alerts.tick() == "The sensor reports runs that end from now on."
    alerts.tick()
    assert alerts.notifications() == []
    alerts.run()
    alerts.tick()
    assert [subject for subject, _ in alerts.notifications()] == ["FAILED: first (shop)"]


def test_more_runs_than_one_tick_reads_are_all_read(
    alerts: AlertSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aws_orders.alerts.outcomes.RUNS_A_TICK", 2)
    for _ in range(3):
        alerts.run("other")
    alerts.faults["first"] = OSError("unavailable")
    alerts.run("first")
    alerts.tick()
    assert alerts.notifications() == []
    alerts.tick()
    assert [subject for subject, _ in alerts.notifications()] == ["FAILED: first (shop)"]


def test_a_faulty_feed_is_reported_with_the_text_of_its_error(
    alerts: AlertSensor, platform: Platform
) -> None:
    alerts.instance = platform.instance
    platform.feed("products", PRODUCTS_CSV + "2,Twice,Outdoor,Ostrava\n")
    platform.fault("refresh_products")
    alerts.tick()
    ((subject, body),) = alerts.notifications()
    assert subject == "FAILED: raw_products_csv (shop)"
    assert "    to do:    " in body
    assert "Not refreshed because of this: detailed_orders_csv, dynamodb_products" in body
