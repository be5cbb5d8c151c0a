"""The platform for tests of deliveries."""

import pytest

from aws_orders_tests.conftest import Platform


@pytest.fixture
def warehouse(platform: Platform) -> Platform:
    """Return a platform without an orders feed whose products are loaded."""
    platform.set_feeds(orders="")
    platform.refresh("refresh_products")
    return platform
