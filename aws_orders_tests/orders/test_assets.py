"""What the orders' assets report."""

from aws_orders_tests.conftest import ORDERS_CSV, Platform

DRIFT = "columns_are_unchanged"


def description(platform: Platform) -> str:
    """Load and return what the check of columns reports."""
    return platform.checks("refresh_orders")[DRIFT].description or ""


def test_columns_that_appear_or_vanish_between_two_loads_are_reported(platform: Platform) -> None:
    platform.set_feeds(orders="")
    platform.deliver("1.csv", ORDERS_CSV)
    assert platform.checks("refresh_orders")[DRIFT].passed
    lines = ORDERS_CSV.splitlines()
    platform.deliver("2.csv", "\n".join([f"{lines[0]},coupon", f"{lines[1]},X"]))
    assert "Added: coupon; removed: none" in str(
        platform.checks("refresh_orders")[DRIFT].description
    )
    assert platform.checks("refresh_orders")[DRIFT].passed, "nothing was loaded since"
    platform.deliver("3.csv", ORDERS_CSV)
    assert "Added: none; removed: coupon" in str(
        platform.checks("refresh_orders")[DRIFT].description
    )
