"""Deliveries told of by messages: real notifications, through a real queue, late or not at all."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from aws_orders.automation import s3_events as notifications
from aws_orders.automation.s3_events import Arrival, Cursor, Decision, parse, tick
from aws_orders.config import ORDERS_FEED_KEY, ORDERS_PREFIX, Settings
from aws_orders_tests.searches import search
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


def event(key: str, bucket: str = "b", name: str = "ObjectCreated:Put", **about: Any) -> Any:
    object_ = {"key": key, "eTag": "e", "sequencer": "1", **about}
    return {"Records": [{"eventName": name, "s3": {"bucket": {"name": bucket}, "object": object_}}]}


def test_a_delivery_asks_for_one_run_and_its_message_goes_once_the_run_exists(watch: Watch) -> None:
    watch.put()
    assert watch.tick()
    assert watch.left == 1
    assert watch.tick() is None
    assert watch.left == 0
    watch.show_again()
    assert watch.tick() is None
    assert watch.warnings == []


def test_a_burst_is_one_run(watch: Watch) -> None:
    for number in range(12):
        watch.put(f"{number}.csv")
    assert watch.tick()
    assert watch.tick() is None
    assert watch.left == 0


def test_a_run_that_was_never_made_is_asked_for_again(watch: Watch) -> None:
    watch.put()
    key = watch.tick(dies=True)
    assert key
    assert watch.tick() is None
    assert watch.left == 1
    watch.show_again()
    assert watch.tick() == key
    assert watch.tick() is None
    assert watch.left == 0


def test_a_cursor_that_was_never_kept_loses_nothing(watch: Watch) -> None:
    watch.put("a.csv")
    watch.put("b.csv")
    key = watch.look().run_key
    assert key
    assert watch.look().run_key is None  # both wait for their visibility timeout
    watch.show_again()
    assert watch.tick() == key
    assert watch.tick() is None
    assert watch.left == 0


def test_a_message_that_comes_after_its_deletion_asks_for_the_same_run(watch: Watch) -> None:
    about = event("input/orders/a.csv", watch.bucket)
    watch.send(about)
    key = watch.tick()
    watch.send(about)
    assert watch.tick() == key  # which Dagster knows, and makes none
    assert watch.tick() is None
    assert watch.left == 0


def test_twice_and_in_any_order_is_the_same_burst(watch: Watch) -> None:
    events = [event(f"input/orders/{n}.csv", watch.bucket) for n in range(3)]
    for about in events:
        watch.send(about)
    key = watch.tick()
    watch.tick()
    for about in [*reversed(events), events[1], *events]:
        watch.send(about)
    assert watch.tick() == key
    assert watch.tick() is None
    assert watch.left == 0


def test_a_file_delivered_again_asks_again_even_with_the_same_bytes(watch: Watch) -> None:
    keys = []
    for body in (b"one", b"two", b"two", b"one"):
        watch.put(body=body)
        keys.append(watch.tick())
    assert None not in keys
    assert len(set(keys)) == 4


def test_more_than_a_tick_takes_up_is_left_to_the_next(watch: Watch) -> None:
    for first in range(0, 250, 10):
        about = [event(f"input/orders/{first + n}.csv", watch.bucket) for n in range(10)]
        entries = [{"Id": str(n), "MessageBody": json.dumps(one)} for n, one in enumerate(about)]
        watch.sqs.send_message_batch(QueueUrl=watch.queue, Entries=entries)
    left, keys = [], set()
    for _ in range(4):
        keys.add(watch.tick())
        left.append(watch.left)
        assert len(Cursor.model_validate_json(watch.cursor or "").receipts) <= 100
    assert left == [250, 150, 50, 0]
    assert len(keys) == 4
    assert None in keys


@pytest.mark.parametrize(
    "name", ["a b.csv", "a+b.csv", "50%.csv", "%2B.csv", "Zürich_東京.csv.gz", "d/é &=?'.csv"]
)
def test_any_name_arrives_as_it_is(watch: Watch, name: str) -> None:
    watch.put(name)
    (message,) = watch.sqs.receive_message(QueueUrl=watch.queue, VisibilityTimeout=0)["Messages"]
    (arrival,) = parse(message["Body"], watch.bucket) or [Arrival("", "", "")]
    etag = watch.s3.head_object(Bucket=watch.bucket, Key=arrival.key)["ETag"].strip('"')
    assert (arrival.key, arrival.etag) == (ORDERS_PREFIX + name, etag)
    assert arrival.sequencer
    assert watch.tick()


def test_what_is_no_delivery_of_ours_sets_nothing_off_and_goes_at_once(watch: Watch) -> None:
    watch.settings = Settings(**(dict(watch.settings) | {"orders_feed": "/orders.csv"}))
    watch.put("a.csv", prefix="output/")
    watch.put("a.csv", prefix="input/orders-old/")
    watch.put("a.txt")
    watch.put("empty.csv", b"")
    watch.put("", prefix=ORDERS_FEED_KEY)
    with watch.told_of():
        watch.s3.delete_object(Bucket=watch.bucket, Key="output/a.csv")
    watch.send(event("input/orders/a.csv", "another-bucket"))
    assert watch.left == 7
    assert watch.tick() is None
    assert watch.left == 0
    assert watch.warnings == []


def test_the_feeds_key_is_a_delivery_where_no_feed_is_configured(watch: Watch) -> None:
    watch.put("", prefix=ORDERS_FEED_KEY)
    assert watch.tick()


def test_a_large_upload_in_parts_is_a_delivery(watch: Watch) -> None:
    place = {"Bucket": watch.bucket, "Key": "input/orders/large.csv"}
    upload = watch.s3.create_multipart_upload(**place)["UploadId"]
    part = watch.s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"x")
    assert watch.tick() is None
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    with watch.told_of():
        watch.s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
    assert watch.tick()


@pytest.mark.parametrize("raw", ["false", "true"])
def test_an_event_may_come_by_way_of_a_topic(watch: Watch, raw: str) -> None:
    with closing(boto3.client("sns")) as sns:
        by_way_of_a_topic(watch, sns, raw)


def by_way_of_a_topic(watch: Watch, sns: Any, raw: str) -> None:
    topic = sns.create_topic(Name=watch.bucket)["TopicArn"]
    attributes = {"RawMessageDelivery": raw}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=watch.arn, Attributes=attributes)
    watch.notify(TopicConfigurations=[{"TopicArn": topic}])
    assert watch.left == 1  # the test event, wrapped
    assert watch.tick() is None
    assert watch.left == 0
    watch.put("a b.csv")
    assert watch.tick()
    assert watch.warnings == []
    sns.delete_topic(TopicArn=topic)


def test_an_unknown_message_is_set_aside_with_a_warning_and_holds_nothing_up(watch: Watch) -> None:
    watch.put()
    watch.send("Hello, \U0001f600 queue!")
    assert watch.tick()
    watch.wait_for(2)  # the delivery's, until its run exists, and the copy's own
    listing = watch.s3.list_objects_v2(Bucket=watch.bucket, Prefix="dead-letter/orders_queued/")
    (stored,) = listing["Contents"]
    (warning,) = watch.warnings
    assert f"moved to s3://{watch.bucket}/{stored['Key']}" in warning
    assert "Hello" in warning
    copy = watch.s3.get_object(Bucket=watch.bucket, Key=stored["Key"])["Body"].read()
    assert json.loads(copy) == {"queue": watch.queue, "body": "Hello, \U0001f600 queue!"}
    assert watch.tick() is None
    assert watch.left == 0
    assert len(watch.warnings) == 1


def test_an_unknown_message_stays_where_its_copy_cannot_be_stored(watch: Watch) -> None:
    watch.send("Hello")
    watch.settings = replaced(watch.settings, bucket=f"{watch.bucket}-gone")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        watch.look()
    assert watch.left == 1
    assert watch.warnings == []


def replaced(old: Settings, **changes: Any) -> Settings:
    return Settings(**{**old.model_dump(), **changes})


def test_a_delivery_whose_event_got_lost_is_found_the_next_day(watch: Watch) -> None:
    watch.lose_events()
    watch.put()
    assert watch.tick() is None
    assert watch.left == 0
    watch.now += timedelta(hours=11, minutes=59)
    assert watch.tick() is None
    watch.now += timedelta(minutes=1)
    assert watch.tick()
    assert watch.tick() is None
    watch.now += timedelta(days=1)
    assert watch.tick() is None  # nothing is new since


def test_the_day_is_utcs(watch: Watch) -> None:
    watch.lose_events()
    watch.put()
    watch.tick()
    watch.now = datetime.fromisoformat("2026-03-02T00:30+02:00")
    assert watch.tick() is None
    watch.now = datetime.fromisoformat("2026-03-01T22:30-02:00")
    assert watch.tick()


def test_a_listing_counts_only_once_its_run_exists(watch: Watch) -> None:
    watch.lose_events()
    watch.put()
    watch.now += timedelta(days=1)
    key = watch.tick(dies=True)
    assert key
    assert watch.tick(dies=True) == key
    assert watch.tick() == key
    assert watch.tick() is None


def test_each_days_change_is_a_run_of_its_own_also_back_to_an_earlier_day(watch: Watch) -> None:
    watch.lose_events()
    keys = []
    for change in ("put a", "put b", "delete b"):
        action, name = change.split()
        if action == "put":
            watch.put(f"{name}.csv")
        else:
            watch.s3.delete_object(Bucket=watch.bucket, Key=f"input/orders/{name}.csv")
        watch.now += timedelta(days=1)
        keys.append(watch.tick())
        watch.tick()
    assert None not in keys
    assert len(set(keys)) == 3


def test_messages_and_the_daily_listing_are_one_run(watch: Watch) -> None:
    watch.put()
    watch.now += timedelta(days=1)
    assert watch.tick()
    assert watch.tick() is None
    assert watch.left == 0


def test_without_a_cursor_what_lies_there_is_a_run(watch: Watch) -> None:
    watch.put()
    watch.tick()
    watch.tick()
    for cursor in (None, "", "not ours", '"not ours"', '{"receipts": 1}'):
        watch.cursor = cursor
        assert watch.tick()


def test_a_failed_listing_fails_the_tick_and_hides_no_message(watch: Watch) -> None:
    watch.put()
    watch.now += timedelta(days=1)
    place, watch.settings = watch.settings, replaced(watch.settings, bucket="no-such-bucket")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        watch.look()
    watch.settings = place
    assert watch.tick()


def test_a_queue_that_cannot_be_read_fails_the_tick(watch: Watch) -> None:
    with pytest.raises(ClientError, match="NonExistentQueue"):
        replace(watch, queue=f"{watch.queue}-gone").look()


PUT, TICK, DIES, CRASH, AGAIN = "put", "tick", "dies", "crash", "again"


@given(
    st.lists(
        st.tuples(st.sampled_from([PUT, PUT, TICK, TICK, DIES, CRASH, AGAIN]), st.integers(0, 2)),
        max_size=14,
    )
)
@search(25, list(HealthCheck))
def test_whatever_dies_when_each_delivery_is_followed_by_a_run(
    clients: tuple[Any, Any], actions: list[tuple[str, int]]
) -> None:
    """Runs load what lies there when they are made: the end state must have been loaded."""
    with pytest.MonkeyPatch.context() as patch, watching(clients) as watch:
        patch.setattr(notifications, "WAIT_SECONDS", 0)
        watch.notify()
        watch.tick()
        there: dict[str, int] = {}
        loaded: dict[str, int] = {}

        def run(key: str | None) -> None:
            if key and key not in watch.requested:
                watch.requested.add(key)
                loaded.update(there)

        for step, (action, number) in enumerate(actions):
            match action:
                case "put":
                    there[f"{number}.csv"] = step
                    watch.put(f"{number}.csv", str(step % 2).encode())
                case "tick" | "dies":
                    key = watch.tick(dies=True)
                    run(key if action == TICK else None)
                case "crash":
                    watch.look()
                case "again":
                    watch.show_again()
        watch.show_again()
        run(watch.tick(dies=True))
        run(watch.tick(dies=True))
        assert loaded == there
        assert watch.left == 0
        assert watch.warnings == []


EVENTBRIDGE = {
    "version": "0",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "detail": {
        "bucket": {"name": "b"},
        "object": {"key": "input/orders/a+b%20.csv", "size": 5, "etag": "e", "sequencer": "1"},
        "reason": "PutObject",
    },
}


def test_eventbridge_tells_of_keys_as_they_are() -> None:
    found = [Arrival("input/orders/a+b%20.csv", "e", "1")]
    assert parse(json.dumps(EVENTBRIDGE), "b") == found
    wrapped = {"Type": "Notification", "Message": json.dumps(EVENTBRIDGE)}
    assert parse(json.dumps(wrapped), "b") == found
    assert parse(json.dumps(EVENTBRIDGE), "c") == []
    assert parse(json.dumps({**EVENTBRIDGE, "detail-type": "Object Deleted"}), "b") == []


def test_a_message_may_tell_of_several_deliveries_and_leave_sizes_out() -> None:
    records = [*event("input/orders/a.csv")["Records"], *event("input/orders/b.csv")["Records"]]
    removed = event("input/orders/c.csv", name="ObjectRemoved:Delete")["Records"]
    told = parse(json.dumps({"Records": records + removed}), "b")
    assert told == [Arrival(f"input/orders/{name}.csv", "e", "1") for name in "ab"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"Records": []}',
        '{"Records": "aws:s3"}',
        '{"Records": [{"eventName": "INSERT", "dynamodb": {}}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {}}]}',
        '{"Type": "Notification", "Message": "Hello"}',
        '{"Type": "Notification"}',
        '{"detail-type": "Object Created", "detail": {"object": {"key": "input/orders/a.csv"}}}',
        '{"detail-type": "Build State Change", "source": "aws.codebuild"}',
        "[" * 100_000,
        "1" * 5_000,
        '{"Records": [null, ' + json.dumps(event("input/orders/a.csv")["Records"][0]) + "]}",
    ],
)
def test_what_is_no_event_is_unknown(body: str) -> None:
    assert parse(body, "b") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def nearly(template: Any) -> st.SearchStrategy[Any]:
    """Return a strategy of what looks like `template`, but for a part here and there."""
    same: st.SearchStrategy[Any] = st.just(template)
    if isinstance(template, dict):
        same = st.fixed_dictionaries({}, optional={k: nearly(v) for k, v in template.items()})
    if isinstance(template, list):
        same = st.lists(nearly(template[0]), max_size=2)
    return st.one_of(*[same] * 4, st.just(template), JSON)


@given(
    st.text()
    | JSON.map(json.dumps)
    | nearly(event("input/orders/%ff+%.csv", size=1)).map(json.dumps)
    | nearly(EVENTBRIDGE).map(json.dumps)
)
def test_parse_never_raises_and_what_it_finds_makes_a_run_key(body: str) -> None:
    for text in (body, json.dumps({"Type": "Notification", "Message": body})):
        for arrival in parse(text, "b") or ():
            assert arrival.key.startswith(ORDERS_PREFIX)
            assert all(isinstance(part, str) for part in arrival)


def test_a_key_that_is_no_text_still_makes_a_run_key(watch: Watch) -> None:
    watch.send(json.dumps(event("input/orders/%ff.csv", watch.bucket, eTag="\ud800")))
    assert watch.tick()
