"""Ticks of `orders_queued`: real events through a real queue, late, repeated or lost."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from aws_orders.automation.s3_events import QueueCursor
from aws_orders_tests.automation.conftest import Queue, replaced
from aws_orders_tests.automation.test_event_messages import event


def test_a_delivery_requests_one_run_and_its_message_is_deleted_when_the_run_exists(
    queue: Queue,
) -> None:
    queue.put()
    assert queue.tick()
    assert queue.left == 1
    assert queue.tick() is None
    assert queue.left == 0
    queue.show_again()
    assert queue.tick() is None
    assert queue.warnings == []


def test_a_burst_is_one_run(queue: Queue) -> None:
    for number in range(12):
        queue.put(f"{number}.csv")
    assert queue.tick()
    assert queue.tick() is None
    assert queue.left == 0


def test_a_run_that_was_not_created_is_requested_again(queue: Queue) -> None:
    queue.put()
    key = queue.tick(dies=True)
    assert key
    assert queue.tick() is None
    assert queue.left == 1
    queue.show_again()
    assert queue.tick() == key
    assert queue.tick() is None
    assert queue.left == 0


def test_a_lost_cursor_loses_no_delivery(queue: Queue) -> None:
    queue.put("a.csv")
    queue.put("b.csv")
    key = queue.lost_tick().run_key
    assert key
    assert queue.lost_tick().run_key is None  # both messages are invisible until their timeout
    queue.show_again()
    assert queue.tick() == key
    assert queue.tick() is None
    assert queue.left == 0


def test_a_message_that_arrives_again_after_its_deletion_requests_the_same_run(
    queue: Queue,
) -> None:
    about = event("input/orders/a.csv", queue.bucket)
    queue.send(about)
    key = queue.tick()
    queue.send(about)
    assert queue.tick() == key  # Dagster has a run with this key, and creates none
    assert queue.tick() is None
    assert queue.left == 0


def test_repeated_messages_in_any_order_request_the_same_run(queue: Queue) -> None:
    events = [event(f"input/orders/{n}.csv", queue.bucket) for n in range(3)]
    for about in events:
        queue.send(about)
    key = queue.tick()
    queue.tick()
    for about in [*reversed(events), events[1], *events]:
        queue.send(about)
    assert queue.tick() == key
    assert queue.tick() is None
    assert queue.left == 0


def test_a_redelivered_file_requests_a_run_even_with_the_same_bytes(queue: Queue) -> None:
    keys = []
    for body in (b"one", b"two", b"two", b"one"):
        queue.put(body=body)
        keys.append(queue.tick())
    assert None not in keys
    assert len(set(keys)) == 4


def test_messages_beyond_a_ticks_limit_are_left_for_the_next_tick(queue: Queue) -> None:
    for first in range(0, 250, 10):
        about = [event(f"input/orders/{first + n}.csv", queue.bucket) for n in range(10)]
        entries = [{"Id": str(n), "MessageBody": json.dumps(one)} for n, one in enumerate(about)]
        queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
    left, keys = [], set()
    for _ in range(4):
        keys.add(queue.tick())
        left.append(queue.left)
        assert len(QueueCursor.model_validate_json(queue.cursor or "").receipts) <= 100
    assert left == [250, 150, 50, 0]
    assert len(keys) == 4
    assert None in keys


def test_a_delivery_whose_event_was_lost_is_found_the_next_day(queue: Queue) -> None:
    queue.lose_events()
    queue.put()
    assert queue.tick() is None
    assert queue.left == 0
    queue.now += timedelta(hours=11, minutes=59)
    assert queue.tick() is None
    queue.now += timedelta(minutes=1)
    assert queue.tick()
    assert queue.tick() is None
    queue.now += timedelta(days=1)
    assert queue.tick() is None  # nothing is new since


def test_days_are_in_utc(queue: Queue) -> None:
    queue.lose_events()
    queue.put()
    queue.tick()
    queue.now = datetime.fromisoformat("2026-03-02T00:30+02:00")
    assert queue.tick() is None
    queue.now = datetime.fromisoformat("2026-03-01T22:30-02:00")
    assert queue.tick()


def test_a_listing_is_confirmed_only_when_its_run_exists(queue: Queue) -> None:
    queue.lose_events()
    queue.put()
    queue.now += timedelta(days=1)
    key = queue.tick(dies=True)
    assert key
    assert queue.tick(dies=True) == key
    assert queue.tick() == key
    assert queue.tick() is None


def test_each_days_change_requests_its_own_run_even_back_to_an_earlier_state(queue: Queue) -> None:
    queue.lose_events()
    keys = []
    for change in ("put a", "put b", "delete b"):
        action, name = change.split()
        if action == "put":
            queue.put(f"{name}.csv")
        else:
            queue.s3.delete_object(Bucket=queue.bucket, Key=f"input/orders/{name}.csv")
        queue.now += timedelta(days=1)
        keys.append(queue.tick())
        queue.tick()
    assert None not in keys
    assert len(set(keys)) == 3


def test_messages_and_the_daily_listing_request_one_run(queue: Queue) -> None:
    queue.put()
    queue.now += timedelta(days=1)
    assert queue.tick()
    assert queue.tick() is None
    assert queue.left == 0


def test_without_a_cursor_existing_deliveries_request_a_run(queue: Queue) -> None:
    queue.put()
    queue.tick()
    queue.tick()
    for cursor in (None, "", "not ours", '"not ours"', '{"receipts": 1}'):
        queue.cursor = cursor
        assert queue.tick()


def test_a_failed_listing_fails_the_tick_and_hides_no_message(queue: Queue) -> None:
    queue.put()
    queue.now += timedelta(days=1)
    place, queue.settings = queue.settings, replaced(queue.settings, bucket="no-such-bucket")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        queue.lost_tick()
    queue.settings = place
    assert queue.tick()


def test_a_queue_that_cannot_be_read_fails_the_tick(queue: Queue) -> None:
    with pytest.raises(ClientError, match="NonExistentQueue"):
        replace(queue, url=f"{queue.url}-gone").lost_tick()
