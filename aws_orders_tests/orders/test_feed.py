"""The orders feed: from a real web server that misbehaves on request, from S3, and its key."""

from collections.abc import Iterator

import pytest

from aws_orders_tests.conftest import ORDERS_CSV, Platform
from aws_orders_tests.feed_site import Site, serve_page


@pytest.fixture
def site() -> Iterator[Site]:
    with serve_page() as served:
        yield served


def test_a_body_that_breaks_off_leaves_the_last_delivery_in_place(
    site: Site, platform: Platform
) -> None:
    platform.set_feeds(orders=site.url)
    platform.refresh("refresh_orders")
    site.body, site.cut = ORDERS_CSV.encode() * 2, 100
    result = platform.materialize("refresh_orders")
    assert not result.success
    assert platform.read("input/orders/feed.csv") == ORDERS_CSV


def test_an_unchanged_etag_means_that_nothing_is_uploaded(site: Site, platform: Platform) -> None:
    site.headers = {"ETag": '"one"'}
    platform.set_feeds(orders=site.url)
    assert platform.refresh("refresh_orders")["s3_orders"]["feed_received"] is True
    assert platform.refresh("refresh_orders")["s3_orders"]["feed_received"] is False
    site.headers = {"ETag": '"two"'}
    site.body = ORDERS_CSV.replace("Ada", "Zoe").encode()
    assert platform.refresh("refresh_orders")["s3_orders"]["feed_received"] is True
    assert "Zoe" in platform.read("input/orders/feed.csv")


def test_without_a_strong_etag_each_refresh_fetches_and_replaces_only_new_bytes(
    site: Site, platform: Platform
) -> None:
    platform.set_feeds(orders=site.url)
    site.headers = {"ETag": 'W/"one"', "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT"}
    assert platform.refresh("refresh_orders")["s3_orders"]["feed_received"] is True
    sent = site.bodies_sent
    assert platform.refresh("refresh_orders")["s3_orders"]["feed_received"] is False
    assert site.bodies_sent > sent
    site.body = ORDERS_CSV.replace("Ada", "Zoe").encode()
    assert platform.refresh("refresh_orders")["s3_orders"]["feed_received"] is True
    assert "Zoe" in platform.read("input/orders/feed.csv")


def test_force_fetches_a_feed_that_its_etag_proves_unchanged(
    site: Site, platform: Platform
) -> None:
    platform.set_feeds(orders=site.url)
    site.headers = {"ETag": '"one"'}
    platform.refresh("refresh_orders")
    site.body = ORDERS_CSV.replace("Ada", "Zoe").encode()
    assert platform.refresh("refresh_orders")["s3_orders"]["feed_received"] is False
    forced = platform.refresh("refresh_orders", s3_orders={"force": True})
    assert forced["s3_orders"]["feed_received"] is True


def test_a_feed_on_s3_is_read_from_there(platform: Platform) -> None:
    platform.s3.put_object(Bucket=platform.bucket, Key="feeds/o.csv", Body=ORDERS_CSV.encode())
    platform.set_feeds(orders=f"s3://{platform.bucket}/feeds/o.csv")
    assert platform.refresh()["detailed_orders_csv"]["dagster/row_count"] == 3


def test_another_file_at_the_feeds_key_is_neither_overwritten_nor_loaded(
    platform: Platform,
) -> None:
    platform.refresh()
    other = ORDERS_CSV.replace("\n1,", "\n555,")
    platform.deliver("feed.csv", other)
    error = platform.fault("refresh_orders")
    uri = f"s3://{platform.bucket}/input/orders/feed.csv"
    assert f"{uri}: The key is reserved for the orders feed" in error
    assert platform.read("input/orders/feed.csv") == other
    # Follow the advice: the file is moved and loaded, and the feed is stored again.
    target = f"{uri.removesuffix('feed.csv')}delivered-feed.csv"
    assert f"aws s3 mv {uri} {target}" in error
    source = {"Bucket": platform.bucket, "Key": "input/orders/feed.csv"}
    key = target.split("/", 3)[3]
    platform.s3.copy_object(Bucket=platform.bucket, Key=key, CopySource=source)
    platform.s3.delete_object(**source)
    loaded = platform.refresh("refresh_orders")["redshift_orders"]
    assert (loaded["rows_loaded"], loaded["dagster/row_count"]) == (3, 6)
    assert platform.read("input/orders/feed.csv") == ORDERS_CSV


def test_without_a_configured_feed_its_key_is_no_longer_reserved(platform: Platform) -> None:
    platform.refresh()
    other = ORDERS_CSV.replace("\n1,", "\n555,")
    platform.deliver("feed.csv", other)
    platform.set_feeds(orders="")
    platform.refresh("refresh_orders")
    assert "555" in platform.detailed
