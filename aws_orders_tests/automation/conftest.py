"""A bucket whose events go to a queue, and the sensor's side of it."""

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

from aws_orders.automation import s3_events as notifications
from aws_orders.automation.s3_events import Cursor, Decision, tick
from aws_orders.config import ORDERS_PREFIX, Settings
from laptop_aws.stack import Stack

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCOUNT, REGION = "000000000000", "us-east-1"


@dataclass
class Watch:
    """A bucket whose events go to a queue, and the sensor's side: its cursor, its runs."""

    s3: Any
    sqs: Any
    settings: Settings
    queue: str
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
        """Let S3 tell of the bucket's objects, by default to the queue itself."""
        events = {"Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
        targets = target or {"QueueConfigurations": [{"QueueArn": self.arn, **events}]}
        for configuration in targets.values():
            configuration[0].update(events)
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration=targets
        )

    def put(self, name: str = "a.csv", body: bytes = b"x", prefix: str = ORDERS_PREFIX) -> None:
        with self.told_of():
            self.s3.put_object(Bucket=self.bucket, Key=prefix + name, Body=body)

    @contextmanager
    def told_of(self) -> Iterator[None]:
        """Wait until the queue has the one message that comes of this; events come late."""
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
        """Let S3 tell of nothing any more."""
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={}
        )
        self.mute = True

    def send(self, body: Any) -> None:
        """Put a message into the queue by hand."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=text)

    def look(self) -> Decision:
        """Evaluate a tick whose outcome is lost: no run, no cursor."""
        decision = tick(
            self.sqs,
            self.s3,
            self.settings,
            self.queue,
            self.cursor,
            self.now,
            self.requested.__contains__,
            self.warnings.append,
        )
        self.receipts.update(Cursor.model_validate_json(decision.cursor).receipts)
        return decision

    def tick(self, *, dies: bool = False) -> str | None:
        """Evaluate a tick and keep its cursor; return the run key.

        Args:
            dies: Whether the daemon dies before it makes the run.
        """
        decision = self.look()
        self.cursor = decision.cursor
        if decision.run_key and not dies:
            self.requested.add(decision.run_key)
        return decision.run_key

    def show_again(self) -> None:
        """End the visibility timeout of all that was taken up, rather than wait for it."""
        for receipt in self.receipts:
            # Invalid where the message is deleted, or taken up again.
            with suppress(self.sqs.exceptions.ReceiptHandleIsInvalid):
                self.sqs.change_message_visibility(
                    QueueUrl=self.queue, ReceiptHandle=receipt, VisibilityTimeout=0
                )
        self.receipts.clear()

    @property
    def left(self) -> int:
        """How many messages the queue holds, whether visible or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)
        return sum(map(int, answer["Attributes"].values()))


@pytest.fixture(scope="module")
def clients(stack: Stack) -> Iterator[tuple[Any, Any]]:
    """Return clients of S3 and SQS: they are slow to make."""
    with closing(boto3.client("s3")) as s3, closing(boto3.client("sqs")) as sqs:
        yield s3, sqs


@contextmanager
def watching(clients: tuple[Any, Any]) -> Iterator[Watch]:
    s3, sqs = clients
    name = f"t{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    yield Watch(s3, sqs, Settings(bucket=name, products_table=name, products_feed=""), queue)
    sqs.delete_queue(QueueUrl=queue)


@pytest.fixture
def watch(clients: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Return a watched bucket without deliveries, today's listing done, the test event read."""
    # One server on the laptop: it need not be asked twice.
    monkeypatch.setattr(notifications, "WAIT_SECONDS", 0)
    with watching(clients) as watch:
        watch.notify()
        assert watch.left == 1  # the test event
        assert watch.tick() is None
        assert watch.left == 0
        yield watch


def replaced(old: Settings, **changes: Any) -> Settings:
    return Settings(**{**old.model_dump(), **changes})
