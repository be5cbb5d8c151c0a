"""Two installations in one bucket: each reads and writes only below its own prefix."""

import dataclasses
import uuid

import pytest
from psycopg2.sql import SQL, Identifier

from aws_orders.automation import arrivals, event_messages
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform


def neighbour(platform: Platform, prefix: str) -> Platform:
    """Return an installation in the same bucket, with another prefix, table and schema."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with platform.redshift.session() as session:
        session.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
    redshift = RedshiftResource(**(dict(platform.redshift) | {"schema_name": name}))
    other = dataclasses.replace(platform, redshift=redshift)
    other.change_settings(prefix=prefix, products_table=name)
    return other


@pytest.mark.parametrize("prefix", ["shop/", "_shop", "a/_b/.c/"])
def test_all_keys_of_an_installation_are_below_its_prefix(platform: Platform, prefix: str) -> None:
    platform.change_settings(prefix=prefix)
    platform.deliver("more.csv", ORDERS_CSV.replace("\n1,", "\n11,"))
    report = platform.refresh()
    assert report["s3_orders"]["deliveries"] == 2
    assert len(platform.detailed.splitlines()) == 7
    below = prefix.rstrip("/") + "/"
    assert [key for key in list(platform.keys()) if not key.startswith(below)] == []


def test_installations_in_one_bucket_do_not_see_each_others_files(platform: Platform) -> None:
    other = neighbour(platform, "shop/")
    platform.deliver("bad.csv", ORDERS_CSV.replace("0.10", "ten"))
    for each in (platform, other):
        each.feed("products", PRODUCTS_CSV)
        each.refresh(redshift_orders={"on_bad_rows": "quarantine", "max_bad_share": 1.0})
    before = platform.detailed, platform.keys()
    other.feed("orders", ORDERS_CSV.replace("Ada", "Zoe"))
    other.refresh(redshift_orders={"full_refresh": True})
    assert "Zoe" in other.detailed
    assert (platform.detailed, platform.keys()) == before
    assert "quarantine/" in str(before[1])


def test_a_sensor_sees_only_deliveries_below_the_prefix(platform: Platform) -> None:
    other = neighbour(platform, "shop/")
    empty = arrivals.listing_digest(platform.s3, other.settings)
    platform.deliver("a.csv", ORDERS_CSV)
    assert arrivals.listing_digest(platform.s3, other.settings) == empty
    other.deliver("a.csv", ORDERS_CSV)
    assert arrivals.listing_digest(platform.s3, other.settings) != empty


@pytest.mark.parametrize(
    ("key", "expected"),
    [("shop/input/orders/a.csv", 1), ("input/orders/a.csv", 0), ("shop/input/orders/_a.csv", 0)],
)
def test_events_of_other_prefixes_are_ignored(key: str, expected: int) -> None:
    body = (
        '{"detail-type": "Object Created", "source": "aws.s3", "detail": {"bucket": {"name": "b"},'
        f' "object": {{"key": "{key}", "size": 1}}}}}}'
    )
    assert len(event_messages.parse(body, "b", "", "shop/input/orders/") or []) == expected
