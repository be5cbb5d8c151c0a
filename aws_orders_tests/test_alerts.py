"""What is told of failing runs: what is worth a message, what it says, and that it arrives."""

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest

from aws_orders.alerts import (
    Broken,
    Cursor,
    Message,
    Outcome,
    Place,
    compose,
    excerpt,
    mask,
    read_cursor,
    secrets_in,
    weigh,
)
from aws_orders.automation import ended_runs
from aws_orders.errors import DataError
from aws_orders.local.stack import Stack
from aws_orders.settings import Settings
from aws_orders_tests.conftest import PRODUCTS_CSV, Platform

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = Place("shop", "https://dagster.example/")


def ended(
    *refreshed: str, run_id: str = "r1", left: tuple[str, ...] = (), **failed: str
) -> Outcome:
    return Outcome(run_id, "refresh_all", NOON, failed, frozenset(refreshed), left)


def told(before: dict[str, Broken], run: Outcome, place: Place = PLACE) -> Message:
    return compose(before, weigh(before, run), run, place)


def test_what_fails_stands_as_broken_until_it_is_refreshed_and_its_failures_are_counted() -> None:
    broken = weigh({}, ended(a="no"))
    broken = weigh(broken, ended("b", a="no"))
    assert broken == {"a": Broken(since=NOON, runs=2)}
    assert weigh(broken, ended("a", "b")) == {}


def test_another_assets_success_mends_nothing() -> None:
    broken = {"a": Broken(since=NOON)}
    assert weigh(broken, ended("b")) == broken


def test_a_failure_says_what_why_where_and_what_was_left() -> None:
    message = told({}, ended("s3_orders", left=("detailed_orders_csv",), redshift_orders="line 7"))
    assert message == Message(
        "FAILED: redshift_orders (shop)",
        "A run of refresh_all in shop ended at 2026-03-01 12:00:00 UTC.\n\n"
        "FAILED: redshift_orders\n  line 7\n\n"
        "Not refreshed for that reason: detailed_orders_csv\n\n"
        "https://dagster.example/runs/r1\n\n"
        "Further failures of the same are not told, its recovery is.\n",
    )


def test_a_recovery_says_since_when_and_how_often_it_had_failed() -> None:
    message = told({"a": Broken(since=NOON, runs=9)}, ended("a"), Place("shop"))
    assert message == Message(
        "RECOVERED: a (shop)",
        "A run of refresh_all in shop ended at 2026-03-01 12:00:00 UTC.\n\n"
        "RECOVERED: a, broken since 2026-03-01 12:00:00 UTC (failed runs: 9)\n\n"
        "Run r1\n",
    )


def test_a_run_that_mends_one_asset_and_breaks_others_tells_of_all() -> None:
    message = told({"a": Broken(since=NOON)} | {"z": Broken(since=NOON)}, ended("a", b="x", c="y"))
    assert message.subject == "FAILED: b and 1 more (shop)"
    for part in ("FAILED: b\n  x", "FAILED: c\n  y", "RECOVERED: a,", "as told before: z"):
        assert part in message.body


@pytest.mark.parametrize("name", ["ö" * 300, "a\nb", "x" * 300])
def test_a_subject_is_short_ascii_on_one_line(name: str) -> None:
    subject = told({}, ended(**{name: "no"})).subject
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()


@pytest.mark.parametrize("letters", ["x", "-", "=", "@", "a.", "Aa1-", "a@", "://", "token "])
def test_a_long_error_is_cut_and_says_so(letters: str) -> None:
    # Long enough to take minutes by a pattern that takes the square of a line's length.
    line = letters * (50_000 // len(letters))
    shown = excerpt("\n".join([line] * 40)).splitlines()
    assert len(shown) == 16
    assert max(map(len, shown)) < 310
    assert shown[-1] == "  (25 more lines)"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("orders.csv, line 3: ada.dahl+x@example.org", "orders.csv, line 3: …@…"),
        ("'o'brien@example.org'", "…@…"),
        ("customer_email=ada@example.org;", "customer_email=…@…;"),
        ("https://me:hunter22@host/a.csv", "https://…@…/a.csv"),
        ("postgres://me:p@ss=w@host:5439/dev", "postgres://…@…/dev"),
        ("GET /a.csv?X-Amz-Signature=abc123&x=1", "GET /a.csv?X-Amz-Signature=…&x=1"),
        ("key AKIAIOSFODNN7EXAMPLE is unknown", "key … is unknown"),
        (
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1 no",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1 no",
        ),
        ("wJalrXUtnFEMI/K7MDENG9bPxRfiCYEXAMPLEKEY no", "… no"),
        ('{"password": "hunter22"}', '{"password": "…"}'),
        ("PGPASSWORD=hunter22 psql", "PGPASSWORD=… psql"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
        ("it said planted-secret twice: planted-secret", "it said … twice: …"),
        ("password authentication failed for user", "password authentication failed for user"),
        ("s3://shop/input/orders/2026/03/01.csv: no column total", None),
    ],
)
def test_addresses_keys_and_passwords_are_masked_and_the_rest_is_not(
    text: str, masked: str | None
) -> None:
    assert mask(text, ["planted-secret"]) == (masked or text)


def test_variables_are_secret_by_their_names_and_words_are_no_secrets() -> None:
    environment = {"REDSHIFT_PASSWORD": "planted-secret", "AWS_SECRET_ACCESS_KEY": "local"}
    assert secrets_in(environment | {"REDSHIFT_HOST": "warehouse.example"}) == ["planted-secret"]


def test_a_cursor_is_read_back_and_somebody_elses_text_is_none() -> None:
    cursor = Cursor(position=7, broken={"a": Broken(since=NOON)})
    assert read_cursor(cursor.model_dump_json()) == cursor
    assert [read_cursor(None), read_cursor("no json"), read_cursor("{}")] == [None] * 3


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
        with pytest.raises(DataError, match="-gone: The resource does not exist"):
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
    monkeypatch.setattr("aws_orders.run_outcomes.RUNS_A_TICK", 2)
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
