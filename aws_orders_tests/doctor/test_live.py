"""The live test: what it proves, and that it removes what it creates."""

from collections.abc import Iterator

import pytest

from aws_orders.doctor.findings import Finding, Status
from aws_orders.doctor.live import prove
from aws_orders_tests.conftest import Platform
from aws_orders_tests.doctor.conftest import TABLES, findings, missing


def test_the_live_test_proves_the_way_to_redshift_and_back_and_leaves_nothing(
    examined: Platform,
) -> None:
    examined.refresh()
    before = examined.keys()
    found = findings(live=True)
    assert missing(found) == {}
    live = {what: finding.found for what, finding in found.items() if what.startswith("live")}
    assert list(live.values())[1:] == [
        "allowed",
        "10 rows copied by the manifest",
        "10 rows locked, replaced, read back",
        "10 rows came back as they were, rounded to the cent",
        "3 items",
        "nothing is left",
    ]
    assert examined.keys() == before
    assert examined.query(TABLES) == []


def proof(platform: Platform) -> Iterator[Finding]:
    return prove(platform.settings, platform.s3, platform.dynamodb, platform.redshift)


def test_a_live_test_that_fails_says_where_and_cleans_up(examined: Platform) -> None:
    examined.refresh()
    client = examined.dynamodb.get_client()
    # A product without a name, which the warehouse requires.
    client.put_item(TableName=examined.settings.products_table, Item={"product_id": {"N": "9"}})
    before = examined.keys()
    *_, failed, cleaned = proof(examined)
    assert (failed.what, failed.status) == ("live: COPY from DynamoDB", Status.MISSING)
    assert "product_name" in failed.found
    assert cleaned.found == "nothing is left"
    assert examined.keys() == before
    assert examined.query(TABLES) == []


@pytest.mark.parametrize("steps", [1, 4, 5])
def test_a_live_test_that_is_broken_off_cleans_up(examined: Platform, steps: int) -> None:
    before = examined.keys()
    running = proof(examined)
    for _ in range(steps):
        assert next(running).status is Status.OK
    assert len(examined.keys()) > len(before)
    running.close()  # type: ignore[attr-defined]
    assert examined.keys() == before
    assert examined.query(TABLES) == []
