"""The products feed over HTTP."""

from collections.abc import Iterator

import pytest

from aws_orders_tests.conftest import PRODUCTS_CSV, Platform
from aws_orders_tests.feed_site import Site, serve_page


@pytest.fixture
def site() -> Iterator[Site]:
    with serve_page() as served:
        yield served


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
