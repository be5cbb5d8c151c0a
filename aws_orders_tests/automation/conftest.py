"""A bucket whose events arrive in a queue, with the sensor's cursor and runs."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from aws_orders.automation import s3_events
from aws_orders.automation.s3_events import QueueCursor, QueueDecision, tick
from aws_orders.resources.settings import ORDERS_PREFIX, Settings
from laptop_aws.stack import Stack

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCOUNT, REGION = "000000000000", "us-east-1"


@dataclass
class Queue:
    """A bucket whose events arrive in a queue, with the sensor's cursor and runs."""

    s3: Any
    sqs: Any
    settings: Settings
    url: str
    cursor: str | None = None
    now: datetime = NOON
    requested: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    receipts: set[str] = field(default_factory=set)
    mute: bool = False

    @property
    def bucket(self) -> str:
        return self.settings.bucket

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.bucket}"

    def notify(self, **target: Any) -> None:
        """Let S3 report the bucket's objects, by default to the queue."""
        events = {"Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
        targets = target or {"QueueConfigurations": [{"QueueArn": self.arn, **events}]}
        for configuration in targets.values():
            configuration[0].update(events)
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration=targets
        )

    def put(self, name: str = "a.csv", body: bytes = b"x", prefix: str = ORDERS_PREFIX) -> None:
        with self.event_arrives():
            self.s3.put_object(Bucket=self.bucket, Key=prefix + name, Body=body)

    @contextmanager
    def event_arrives(self) -> Iterator[None]:
        """Wait until the one event of the block has arrived in the queue; events are delayed."""
        count = self.left + 1
        yield
        if not self.mute:
            self.wait_for(count)

    def wait_for(self, count: int) -> None:
        """Wait until the queue holds so many messages."""
        deadline = time.monotonic() + 60
        while self.left != count:
            assert time.monotonic() < deadline, f"{self.left} messages, not {count}"
            time.sleep(0.002)

    def lose_events(self) -> None:
        """Let S3 report no more events."""
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={}
        )
        self.mute = True

    def send(self, body: Any) -> None:
        """Send a message to the queue."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.sqs.send_message(QueueUrl=self.url, MessageBody=text)

    def lost_tick(self) -> QueueDecision:
        """Evaluate a tick whose outcome is lost: no run, no cursor."""
        decision = tick(
            self.sqs,
            self.s3,
            self.settings,
            self.url,
            self.cursor,
            self.now,
            self.requested.__contains__,
            self.warnings.append,
        )
        self.receipts.update(QueueCursor.model_validate_json(decision.cursor).receipts)
        return decision

    def tick(self, *, dies: bool = False) -> str | None:
        """Evaluate a tick and keep its cursor; return the run key.

        Args:
            dies: Whether the daemon dies before it makes the run.
        """
        decision = self.lost_tick()
        self.cursor = decision.cursor
        if decision.run_key and not dies:
            self.requested.add(decision.run_key)
        return decision.run_key

    def show_again(self) -> None:
        """Make all received messages visible again, without waiting for the timeout."""
        for receipt in self.receipts:
            # Invalid if the message was deleted or received again.
            with suppress(self.sqs.exceptions.ReceiptHandleIsInvalid):
                self.sqs.change_message_visibility(
                    QueueUrl=self.url, ReceiptHandle=receipt, VisibilityTimeout=0
                )
        self.receipts.clear()

    @property
    def left(self) -> int:
        """How many messages the queue holds, whether visible or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(map(int, answer["Attributes"].values()))


@pytest.fixture(scope="module")
def clients(stack: Stack) -> Iterator[tuple[Any, Any]]:
    """Return clients of S3 and SQS, which are slow to create."""
    with closing(boto3.client("s3")) as s3, closing(boto3.client("sqs")) as sqs:
        yield s3, sqs


@contextmanager
def new_queue(clients: tuple[Any, Any]) -> Iterator[Queue]:
    s3, sqs = clients
    name = f"t{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    yield Queue(s3, sqs, Settings(bucket=name, products_table=name, products_feed=""), queue)
    sqs.delete_queue(QueueUrl=queue)


@pytest.fixture
def queue(clients: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """Return an empty bucket with its queue, after the tick that reads S3's test event."""
    # The laptop's SQS is one server, which needs no long polling.
    monkeypatch.setattr(s3_events, "WAIT_SECONDS", 0)
    with new_queue(clients) as queue:
        queue.notify()
        assert queue.left == 1  # the test event
        assert queue.tick() is None
        assert queue.left == 0
        yield queue


def replaced(old: Settings, **changes: Any) -> Settings:
    return Settings(**{**old.model_dump(), **changes})
