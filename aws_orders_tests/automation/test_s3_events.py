"""Ticks of `orders_queued`: real events through a real queue, late, repeated or lost."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from aws_orders.automation.s3_events import Cursor
from aws_orders_tests.automation.conftest import Watch, replaced
from aws_orders_tests.automation.test_event_messages import event


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
