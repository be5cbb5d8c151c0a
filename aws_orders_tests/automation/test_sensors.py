"""The sensors: what starts a run, what does not, and what fails a tick."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest

from aws_orders.automation import feed_changes
from aws_orders.automation.sensors import build_sensors
from aws_orders.errors import DataError
from aws_orders.resources.s3 import SharedS3Resource
from aws_orders.resources.settings import Settings
from aws_orders_tests import servers
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform
from laptop_aws.stack import Stack

orders_landed, orders_queued, products_changed, _ = build_sensors(running=False)


@dg.job(logger_defs={})
def nothing() -> None:
    """Stand for a run that the daemon creates for a request."""


def evaluate(
    platform: Platform, sensor: dg.SensorDefinition, cursor: str | None = None
) -> tuple[str | None, str | None]:
    """Evaluate a sensor once; return the run key that it requests, and its new cursor."""
    resources: dict[str, Any] = {"settings": platform.settings, "s3": SharedS3Resource()}
    if sensor is products_changed:
        resources["dynamodb"] = platform.dynamodb
    context = dg.build_sensor_context(platform.instance, cursor, resources=resources)
    data = sensor.evaluate_tick(context)
    keys = [request.run_key for request in data.run_requests or []]
    assert len(keys) <= 1
    return (keys[0] if keys else None), data.cursor


def test_without_deliveries_no_run_starts(platform: Platform) -> None:
    assert evaluate(platform, orders_landed) == (None, None)


def test_a_delivery_starts_exactly_one_run(platform: Platform) -> None:
    platform.deliver("a.csv", ORDERS_CSV)
    key, cursor = evaluate(platform, orders_landed)
    assert key
    assert evaluate(platform, orders_landed, cursor) == (None, cursor)


def test_a_redelivery_and_a_deletion_start_runs(platform: Platform) -> None:
    seen = []
    platform.deliver("a.csv", ORDERS_CSV)
    seen.append(evaluate(platform, orders_landed))
    platform.deliver("a.csv", ORDERS_CSV.replace("Ada", "Zoe"))
    seen.append(evaluate(platform, orders_landed, seen[-1][1]))
    platform.deliver("b.csv", ORDERS_CSV)
    seen.append(evaluate(platform, orders_landed, seen[-1][1]))
    platform.s3.delete_object(Bucket=platform.bucket, Key="input/orders/b.csv")
    platform.deliver("c.csv", ORDERS_CSV)
    seen.append(evaluate(platform, orders_landed, seen[-1][1]))
    keys = [key for key, _ in seen]
    assert None not in keys
    assert len(set(keys)) == 4


def test_many_files_of_the_same_second_start_one_run_and_none_is_missed(platform: Platform) -> None:
    for number in range(10):
        platform.deliver(f"{number}.csv", ORDERS_CSV)
    _, cursor = evaluate(platform, orders_landed)
    platform.deliver("0 earlier in the alphabet.csv", ORDERS_CSV)
    assert evaluate(platform, orders_landed, cursor)[0]


def test_a_daemon_that_dies_before_it_stores_the_cursor_requests_the_same_run(
    platform: Platform,
) -> None:
    platform.deliver("a.csv", ORDERS_CSV)
    assert evaluate(platform, orders_landed, None) == evaluate(platform, orders_landed, None)


def test_the_configured_feed_starts_no_run(platform: Platform) -> None:
    platform.refresh()
    assert evaluate(platform, orders_landed) == (None, None)


def test_a_listing_that_cannot_be_read_fails_the_tick(platform: Platform) -> None:
    platform.settings = Settings(bucket="nowhere", products_table="", products_feed="")
    with pytest.raises(DataError, match=r"s3://nowhere/.*The bucket does not exist"):
        evaluate(platform, orders_landed, "a cursor")


def test_the_cursor_does_not_grow_with_the_listing(platform: Platform) -> None:
    for number in range(30):
        platform.deliver(f"{number}.csv", ORDERS_CSV)
    _, cursor = evaluate(platform, orders_landed)
    assert cursor
    assert len(cursor) == 64


def test_without_a_queue_orders_queued_requests_no_run(platform: Platform) -> None:
    assert evaluate(platform, orders_queued) == (None, None)


def test_a_message_starts_a_run_and_is_deleted_when_that_run_exists(
    platform: Platform, stack: Stack
) -> None:
    with closing(boto3.client("sqs")) as sqs:
        url = sqs.create_queue(QueueName=platform.bucket)["QueueUrl"]
        platform.change_settings(orders_queue=url)
        about = {"bucket": {"name": platform.bucket}, "object": {"key": "input/orders/a%2Bb.csv"}}
        event = {"Records": [{"eventName": "ObjectCreated:Put", "s3": about}]}
        _, listed = evaluate(platform, orders_queued)
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
        key, cursor = evaluate(platform, orders_queued, listed)
        assert key

        def in_flight() -> str:
            names = ["ApproximateNumberOfMessagesNotVisible"]
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
            return str(answer["Attributes"][names[0]])

        assert in_flight() == "1"
        nothing.execute_in_process(instance=platform.instance, tags={"dagster/run_key": key})
        assert evaluate(platform, orders_queued, cursor)[0] is None
        assert in_flight() == "0"


def test_products_start_no_run_before_their_first_refresh(platform: Platform) -> None:
    assert evaluate(platform, products_changed)[0] is None


def test_a_changed_products_feed_starts_runs_until_it_is_fetched(platform: Platform) -> None:
    platform.refresh("refresh_products")
    assert evaluate(platform, products_changed)[0] is None
    platform.feed("products", PRODUCTS_CSV.replace("Tent", "Tarp"))
    first = evaluate(platform, products_changed)[0]
    assert first
    assert evaluate(platform, products_changed)[0] == first
    platform.refresh("refresh_products")
    assert evaluate(platform, products_changed)[0] is None


def test_a_feed_that_returns_to_earlier_content_starts_a_run(
    platform: Platform, tmp_path: Path
) -> None:
    def edition(name: str, second: int) -> str | None:
        platform.feed("products", PRODUCTS_CSV.replace("Tent", name))
        os.utime(tmp_path / "products.csv", (second, second))
        key = evaluate(platform, products_changed)[0]
        platform.refresh("refresh_products")
        return key

    platform.refresh("refresh_products")
    assert edition("Tarp", 1) != edition("Tent", 2)
    assert edition("Tarp", 1)


def test_a_products_feed_that_cannot_be_read_fails_the_tick(platform: Platform) -> None:
    platform.refresh("refresh_products")
    platform.set_feeds(products="/nowhere/products.csv")
    with pytest.raises(DataError, match="No such file"):
        evaluate(platform, products_changed)


NOW = "Last-Modified: Fri, 27 Nov 2026 10:00:0{} GMT"


@pytest.fixture
def site() -> Iterator[servers.Site]:
    with servers.site() as served:
        yield served


def test_a_feed_whose_date_is_always_now_starts_no_run_and_is_not_hashed_at_each_tick(
    platform: Platform, site: servers.Site
) -> None:
    body = PRODUCTS_CSV.encode()
    platform.set_feeds(products=site.page("/p.csv", body, NOW.format(0)))
    platform.refresh("refresh_products")
    site.asked.clear()
    cursor: str | None = None
    for second in range(1, 9):
        site.page("/p.csv", body, NOW.format(second))
        key, cursor = evaluate(platform, products_changed, cursor)
        assert key is None
    assert site.count("GET") == 1


@pytest.mark.parametrize(
    "headers", [(), (NOW.format(9),), ('ETag: W/"2"',), ('ETag: "2"',)], ids=str
)
def test_changed_bytes_start_a_run_and_the_same_bytes_none(
    platform: Platform, site: servers.Site, headers: tuple[str, ...]
) -> None:
    platform.set_feeds(products=site.page("/p.csv", PRODUCTS_CSV.encode(), NOW.format(1)))
    platform.refresh("refresh_products")
    site.page("/p.csv", PRODUCTS_CSV.encode(), *headers)
    assert evaluate(platform, products_changed)[0] is None
    site.page("/p.csv", PRODUCTS_CSV.replace("Tent", "Tarp").encode(), *headers)
    key, cursor = evaluate(platform, products_changed)
    assert key
    platform.refresh("refresh_products")
    assert evaluate(platform, products_changed, cursor)[0] is None


def test_a_pending_run_is_requested_under_one_key(platform: Platform, site: servers.Site) -> None:
    platform.set_feeds(products=site.page("/p.csv", PRODUCTS_CSV.encode(), NOW.format(1)))
    platform.refresh("refresh_products")
    changed = PRODUCTS_CSV.replace("Tent", "Tarp").encode()
    site.page("/p.csv", changed, NOW.format(2))
    key, cursor = evaluate(platform, products_changed)
    assert key
    site.asked.clear()
    assert evaluate(platform, products_changed, cursor)[0] == key
    assert site.count("GET") == 0
    assert evaluate(platform, products_changed, "not a cursor")[0] == key


def test_a_feed_too_large_to_hash_in_a_tick_is_left_to_one_run(
    platform: Platform, site: servers.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.set_feeds(products=site.page("/p.csv", PRODUCTS_CSV.encode()))
    platform.refresh("refresh_products")
    monkeypatch.setattr(feed_changes, "HASH_SECONDS", -1)
    key, cursor = evaluate(platform, products_changed)
    assert key
    assert evaluate(platform, products_changed, cursor)[0] is None


def test_feed_csv_is_a_delivery_if_no_feed_is_configured(platform: Platform) -> None:
    platform.set_feeds(orders="")
    platform.deliver("feed.csv", ORDERS_CSV)
    assert evaluate(platform, orders_landed)[0]
    report = platform.refresh("refresh_orders")
    assert report["redshift_orders"]["rows_loaded"] == 3


HIDDEN = ["_a.csv", ".a.csv", "_temporary/0/a.csv", "may/_temporary/a.csv", "may/.tmp/a.csv.gz"]


@pytest.mark.parametrize("name", HIDDEN)
def test_names_that_start_with_an_underscore_or_a_dot_are_not_deliveries(
    platform: Platform, name: str
) -> None:
    platform.deliver(name, ORDERS_CSV.replace("\n1,", "\n11,"))
    assert evaluate(platform, orders_landed) == (None, None)
    report = platform.refresh("refresh_orders")
    assert report["s3_orders"]["other_objects"] == 1
    assert report["redshift_orders"]["dagster/row_count"] == 3


@pytest.mark.parametrize("name", ["a_b.csv", "a.b.csv", "may_/a.csv", "dt=_1/a.csv"])
def test_names_with_other_underscores_and_dots_are_deliveries(
    platform: Platform, name: str
) -> None:
    platform.deliver(name, ORDERS_CSV)
    assert evaluate(platform, orders_landed)[0]


@pytest.mark.parametrize("sensor", [orders_landed, orders_queued, products_changed])
def test_a_sensor_explains_an_error_of_aws(platform: Platform, sensor: dg.SensorDefinition) -> None:
    platform.refresh("refresh_products")
    platform.change_settings(
        bucket="nowhere", orders_queue="http://q/1/n", products_feed="s3://nowhere/p.csv"
    )
    with pytest.raises(DataError, match="to do:"):
        evaluate(platform, sensor)


def test_a_table_that_others_change_starts_a_run_if_configured(
    platform: Platform,
) -> None:
    platform.refresh("refresh_products")
    platform.dynamodb.get_client().delete_item(
        TableName=platform.settings.products_table, Key={"product_id": {"N": "1"}}
    )
    assert evaluate(platform, products_changed)[0] is None
    platform.change_settings(watch_products_table=True)
    assert evaluate(platform, products_changed)[0]
    platform.refresh("refresh_products")
    assert evaluate(platform, products_changed)[0] is None
