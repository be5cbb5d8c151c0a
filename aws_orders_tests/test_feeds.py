"""Feeds over HTTP, against a real server that misbehaves on request."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aws_orders.errors import DataError
from aws_orders.resources.feeds import open_feed
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform


@dataclass
class Site:
    """A web site with one page, and what it answers next."""

    url: str = ""
    body: bytes = ORDERS_CSV.encode()
    headers: dict[str, str] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)
    cut: int = 0
    bodies_sent: int = 0


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if served.failures:
                self.send_error(served.failures.pop(0))
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(served.body) + served.cut))
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(served.body)
            served.bodies_sent += 1

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}/orders.csv"
        yield served
        server.shutdown()
        thread.join()


def test_a_missing_page_is_refused_with_its_status(site: Site, platform: Platform) -> None:
    site.failures = [404]
    platform.set_feeds(orders=site.url)
    told = platform.fault("refresh_orders")
    assert f"{site.url}: The feed cannot be read" in told
    assert "HTTP 404 Not Found" in told
    assert platform.keys() == []


def test_a_passing_failure_is_tried_again(site: Site, platform: Platform) -> None:
    site.failures = [503, 500]
    with open_feed(site.url, platform.s3) as feed:
        assert feed.stream.read() == ORDERS_CSV.encode()


def test_a_lasting_failure_is_tried_four_times(site: Site, platform: Platform) -> None:
    site.failures = [503] * 9
    with pytest.raises(DataError, match="HTTP 503"), open_feed(site.url, platform.s3):
        pass
    assert len(site.failures) == 5


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
    assert platform.refresh("refresh_orders")["s3_orders"]["feed received"] is True
    assert platform.refresh("refresh_orders")["s3_orders"]["feed received"] is False
    site.headers = {"ETag": '"two"'}
    site.body = ORDERS_CSV.replace("Ada", "Zoe").encode()
    assert platform.refresh("refresh_orders")["s3_orders"]["feed received"] is True
    assert "Zoe" in platform.read("input/orders/feed.csv")


def test_without_a_strong_etag_each_refresh_fetches_and_replaces_only_new_bytes(
    site: Site, platform: Platform
) -> None:
    platform.set_feeds(orders=site.url)
    site.headers = {"ETag": 'W/"one"', "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT"}
    assert platform.refresh("refresh_orders")["s3_orders"]["feed received"] is True
    sent = site.bodies_sent
    assert platform.refresh("refresh_orders")["s3_orders"]["feed received"] is False
    assert site.bodies_sent > sent
    site.body = ORDERS_CSV.replace("Ada", "Zoe").encode()
    assert platform.refresh("refresh_orders")["s3_orders"]["feed received"] is True
    assert "Zoe" in platform.read("input/orders/feed.csv")


def test_force_fetches_a_feed_that_its_etag_proves_unchanged(
    site: Site, platform: Platform
) -> None:
    platform.set_feeds(orders=site.url)
    site.headers = {"ETag": '"one"'}
    platform.refresh("refresh_orders")
    site.body = ORDERS_CSV.replace("Ada", "Zoe").encode()
    assert platform.refresh("refresh_orders")["s3_orders"]["feed received"] is False
    forced = platform.refresh("refresh_orders", s3_orders={"force": True})
    assert forced["s3_orders"]["feed received"] is True


def test_force_fetches_a_products_feed_that_its_etag_proves_unchanged(
    site: Site, platform: Platform
) -> None:
    site.body, site.headers = PRODUCTS_CSV.encode(), {"ETag": '"one"'}
    platform.set_feeds(products=site.url)
    platform.refresh("refresh_products")
    site.body = PRODUCTS_CSV.replace("Tent", "Tarp").encode()
    proven = platform.refresh("refresh_products")["raw_products_csv"]
    assert (proven["changed"], proven["dagster/row_count"]) == (False, 3)
    forced = platform.refresh("refresh_products", raw_products_csv={"force": True})
    assert forced["raw_products_csv"]["changed"] is True


def test_a_feed_on_s3_is_read_from_there(platform: Platform) -> None:
    platform.s3.put_object(Bucket=platform.bucket, Key="feeds/o.csv", Body=ORDERS_CSV.encode())
    platform.set_feeds(orders=f"s3://{platform.bucket}/feeds/o.csv")
    assert platform.refresh()["detailed_orders_csv"]["dagster/row_count"] == 3


def test_a_file_of_somebody_else_at_the_feeds_key_is_neither_overwritten_nor_loaded(
    platform: Platform,
) -> None:
    platform.refresh()
    theirs = ORDERS_CSV.replace("\n1,", "\n555,")
    platform.deliver("feed.csv", theirs)
    told = platform.fault("refresh_orders")
    uri = f"s3://{platform.bucket}/input/orders/feed.csv"
    assert f"{uri}: The key is reserved for the orders feed" in told
    assert platform.read("input/orders/feed.csv") == theirs
    # The advice, followed: the file is moved and loaded, and the feed is where it was.
    target = f"{uri.removesuffix('feed.csv')}delivered-feed.csv"
    assert f"aws s3 mv {uri} {target}" in told
    source = {"Bucket": platform.bucket, "Key": "input/orders/feed.csv"}
    key = target.split("/", 3)[3]
    platform.s3.copy_object(Bucket=platform.bucket, Key=key, CopySource=source)
    platform.s3.delete_object(**source)
    loaded = platform.refresh("refresh_orders")["redshift_orders"]
    assert (loaded["rows loaded"], loaded["dagster/row_count"]) == (3, 6)
    assert platform.read("input/orders/feed.csv") == ORDERS_CSV


def test_without_a_configured_feed_its_key_is_no_longer_reserved(platform: Platform) -> None:
    platform.refresh()
    theirs = ORDERS_CSV.replace("\n1,", "\n555,")
    platform.deliver("feed.csv", theirs)
    platform.set_feeds(orders="")
    platform.refresh("refresh_orders")
    assert "555" in platform.detailed


def test_an_address_with_a_signature_shows_none_of_it_in_an_error(
    site: Site, platform: Platform
) -> None:
    site.body = b"not,the,header\n"
    signed = f"{site.url}?X-Amz-Signature=hidden"
    platform.set_feeds(products=signed, orders=signed)
    for job in ("refresh_products", "refresh_orders"):
        told = platform.fault(job)
        assert site.url in told
        assert "hidden" not in told
