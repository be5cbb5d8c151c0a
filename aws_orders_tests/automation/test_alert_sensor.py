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
from botocore.exceptions import ClientError

from aws_orders.automation.sensors import ended_runs
from aws_orders.config import Settings
from aws_orders.errors import DataError
from aws_orders_tests.conftest import PRODUCTS_CSV, Platform
from laptop_aws.stack import Stack


@dataclass
class Watch:
    """The sensor on a Dagster instance, and a queue that is subscribed to its topic."""

    instance: dg.DagsterInstance
    sqs: Any
    queue: str
    topic: str
    cursor: str | None = None
    faults: dict[str, Exception | None] = field(default_factory=dict)

    def tick(self, topic: str | None = None) -> str | None:
        """Evaluate the sensor once, as the daemon does; return the reason that it gives."""
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

    def mails(self) -> list[tuple[str, str]]:
        """Take what has arrived: subjects and bodies."""
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
def watch(stack: Stack) -> Iterator[Watch]:
    name = f"t{uuid.uuid4().hex[:12]}"
    with ExitStack() as open_until_then:
        enter = open_until_then.enter_context
        sqs, sns = enter(closing(boto3.client("sqs"))), enter(closing(boto3.client("sns")))
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        about = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        topic = sns.create_topic(Name=name)["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=about["Attributes"]["QueueArn"])
        watch = Watch(enter(dg.DagsterInstance.ephemeral()), sqs, queue, topic)
        watch.tick()
        yield watch


def test_without_a_topic_the_sensor_says_so_and_nothing_more(watch: Watch) -> None:
    before = watch.cursor
    assert watch.tick(topic="") == "No topic is configured (AWS_ORDERS_ALERTS_TOPIC)."
    assert watch.cursor == before


def test_a_failing_run_is_told_once_and_its_recovery_once(watch: Watch) -> None:
    watch.faults["first"] = ValueError("no such key for ada@example.org")
    run_id = watch.run()
    assert watch.tick() == "Told: FAILED: first (shop)"
    ((subject, body),) = watch.mails()
    assert subject == "FAILED: first (shop)"
    assert "  ValueError: no such key for …@…\n" in body
    assert "Not refreshed for that reason: second\n" in body
    assert f"http://ui/runs/{run_id}\n" in body
    for _ in range(3):
        watch.run()
        watch.tick()
    assert watch.mails() == []
    watch.faults.clear()
    watch.run("other")
    watch.tick()
    assert watch.mails() == []
    watch.run()
    watch.tick()
    ((subject, body),) = watch.mails()
    assert subject == "RECOVERED: first (shop)"
    assert "(failed runs: 4)" in body
    watch.run()
    watch.tick()
    assert watch.mails() == []


def test_a_failed_blocking_check_is_told_for_its_asset_with_what_it_found(watch: Watch) -> None:
    watch.run(complete=False)
    watch.tick()
    ((subject, body),) = watch.mails()
    assert subject == "FAILED: first (shop)"
    assert "  The blocking check complete failed: 2 rows of …@… lack\n" in body
    assert "Not refreshed for that reason: second\n" in body
    watch.run(complete=False)
    watch.tick()
    assert watch.mails() == []
    watch.run()
    watch.tick()
    assert [subject for subject, _ in watch.mails()] == ["RECOVERED: first (shop)"]


def test_a_run_that_was_killed_is_told_for_the_assets_that_it_did_not_come_to(
    watch: Watch,
) -> None:
    defs = dg.Definitions(
        assets=[dg.AssetsDefinition.from_op(dg.op(name="first")(lambda: None))],
        jobs=[dg.define_asset_job("refresh", "*")],
    )
    run = watch.instance.create_run_for_job(defs.resolve_job_def("refresh"))
    watch.instance.report_run_failed(run, "The run's process is gone.")
    watch.tick()
    ((subject, body),) = watch.mails()
    assert subject == "FAILED: first (shop)"
    assert "  The run's process is gone.\n" in body
    watch.run()
    watch.tick()
    assert [subject for subject, _ in watch.mails()] == ["RECOVERED: first (shop)"]


def test_a_job_without_assets_fails_and_recovers_by_its_own_name(watch: Watch) -> None:
    @dg.op
    def step() -> None:
        if fault := watch.faults.get("step"):
            raise fault

    @dg.job(logger_defs={})
    def tidy() -> None:
        step()

    for watch.faults["step"] in (OSError("full"), None):
        tidy.execute_in_process(instance=watch.instance, raise_on_error=False)
        watch.tick()
    subjects = [subject for subject, _ in watch.mails()]
    assert subjects == ["FAILED: job tidy (shop)", "RECOVERED: job tidy (shop)"]


def test_several_messages_are_told_one_a_tick_and_in_order(watch: Watch) -> None:
    watch.faults["first"] = watch.faults["other"] = OSError("gone")
    watch.run("other")
    watch.run("first")
    watch.faults.clear()
    watch.run()
    for _ in range(5):
        watch.tick()
    assert [subject for subject, _ in watch.mails()] == [
        "FAILED: other (shop)",
        "FAILED: first (shop)",
        "RECOVERED: first and 1 more (shop)",
    ]


def test_a_topic_that_cannot_be_reached_fails_the_tick_and_the_next_one_tells(
    watch: Watch,
) -> None:
    watch.faults["first"] = OSError("gone")
    watch.run()
    before = watch.cursor
    for _ in range(2):
        with pytest.raises(ClientError, match="NotFound"):
            watch.tick(topic=f"{watch.topic}-gone")
    with pytest.raises(DataError, match="the ARN of an SNS topic"):
        watch.tick(topic="https://sqs.example/queue")
    assert watch.cursor == before
    watch.tick()
    assert [subject for subject, _ in watch.mails()] == ["FAILED: first (shop)"]


def test_a_daemon_that_starts_again_tells_what_failed_meanwhile_and_nothing_twice(
    watch: Watch, tmp_path: Path
) -> None:
    def instance() -> dg.DagsterInstance:
        return dg.DagsterInstance.local_temp(str(tmp_path))

    with instance() as watch.instance:
        watch.cursor = None
        watch.tick()
        watch.faults["first"] = OSError("gone")
        watch.run()
        watch.tick()
        watch.run()
        watch.faults["other"] = OSError("gone, too")
        watch.run("other")
    with instance() as watch.instance:
        for _ in range(3):
            watch.tick()
    subjects = [subject for subject, _ in watch.mails()]
    assert subjects == ["FAILED: first (shop)", "FAILED: other (shop)"]


def test_what_failed_before_the_sensor_was_switched_on_is_no_news(watch: Watch) -> None:
    watch.faults["first"] = OSError("gone")
    watch.run()
    watch.cursor = None
    assert watch.tick() == "Watching from now on."
    watch.tick()
    assert watch.mails() == []
    watch.run()
    watch.tick()
    assert [subject for subject, _ in watch.mails()] == ["FAILED: first (shop)"]


def test_more_runs_than_a_tick_looks_at_are_all_looked_at(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aws_orders.alerts.outcomes.RUNS_A_TICK", 2)
    for _ in range(3):
        watch.run("other")
    watch.faults["first"] = OSError("gone")
    watch.run("first")
    watch.tick()
    assert watch.mails() == []
    watch.tick()
    assert [subject for subject, _ in watch.mails()] == ["FAILED: first (shop)"]


def test_a_broken_delivery_is_told_with_the_errors_own_words(
    watch: Watch, platform: Platform
) -> None:
    watch.instance = platform.instance
    platform.feed("products", PRODUCTS_CSV + "2,Twice,Outdoor,Ostrava\n")
    platform.fault("refresh_products")
    watch.tick()
    ((subject, body),) = watch.mails()
    assert subject == "FAILED: raw_products_csv (shop)"
    assert "    to do:    " in body
    assert "Not refreshed for that reason: detailed_orders_csv, dynamodb_products" in body
