"""Feeds over HTTP: what is retried, and what errors show."""

from collections.abc import Iterator

import pytest

from aws_orders.errors import DataError
from aws_orders.resources.feeds import open_feed
from aws_orders_tests.conftest import ORDERS_CSV, Platform
from aws_orders_tests.feed_site import Site, serve_page


@pytest.fixture
def site() -> Iterator[Site]:
    with serve_page() as served:
        yield served


def test_a_missing_page_is_reported_with_its_status(site: Site, platform: Platform) -> None:
    site.failures = [404]
    platform.set_feeds(orders=site.url)
    error = platform.fault("refresh_orders")
    assert f"{site.url}: The feed cannot be read" in error
    assert "HTTP 404 Not Found" in error
    assert platform.keys() == []


def test_a_transient_failure_is_retried(site: Site, platform: Platform) -> None:
    site.failures = [503, 500]
    with open_feed(site.url, platform.s3) as feed:
        assert feed.stream.read() == ORDERS_CSV.encode()


def test_a_lasting_failure_ends_after_four_attempts(site: Site, platform: Platform) -> None:
    site.failures = [503] * 9
    with pytest.raises(DataError, match="HTTP 503"), open_feed(site.url, platform.s3):
        pass
    assert len(site.failures) == 5


def test_an_address_with_a_signature_shows_none_of_it_in_an_error(
    site: Site, platform: Platform
) -> None:
    site.body = b"not,the,header\n"
    signed = f"{site.url}?X-Amz-Signature=hidden"
    platform.set_feeds(products=signed, orders=signed)
    for job in ("refresh_products", "refresh_orders"):
        error = platform.fault(job)
        assert site.url in error
        assert "hidden" not in error
