"""The live test: what it proves, and that it removes what it creates."""

from collections.abc import Iterator

import pytest

from aws_orders.doctor.checks import Diagnosis, Status
from aws_orders.doctor.live import live_test
from aws_orders_tests.conftest import Platform
from aws_orders_tests.doctor.conftest import TABLES, diagnoses, missing


def test_the_live_test_loads_and_unloads_rows_and_deletes_what_it_creates(
    examined: Platform,
) -> None:
    examined.refresh()
    before = examined.keys()
    found = diagnoses(live=True)
    assert missing(found) == {}
    live = {what: diagnosis.found for what, diagnosis in found.items() if what.startswith("live")}
    assert list(live.values())[1:] == [
        "allowed",
        "10 rows copied with a manifest",
        "10 rows locked, replaced and read",
        "10 rows unchanged, rounded to the cent",
        "3 items",
        "everything is deleted",
    ]
    assert examined.keys() == before
    assert examined.query(TABLES) == []


def live(platform: Platform) -> Iterator[Diagnosis]:
    return live_test(platform.settings, platform.s3, platform.dynamodb, platform.redshift)


def test_a_failed_live_test_names_the_step_and_cleans_up(examined: Platform) -> None:
    examined.refresh()
    client = examined.dynamodb.get_client()
    # A product without a name, which the warehouse requires.
    client.put_item(TableName=examined.settings.products_table, Item={"product_id": {"N": "9"}})
    before = examined.keys()
    *_, failed, cleaned = live(examined)
    assert (failed.what, failed.status) == ("live: COPY from DynamoDB", Status.MISSING)
    assert "product_name" in failed.found
    assert cleaned.found == "everything is deleted"
    assert examined.keys() == before
    assert examined.query(TABLES) == []


@pytest.mark.parametrize("steps", [1, 4, 5])
def test_an_interrupted_live_test_cleans_up(examined: Platform, steps: int) -> None:
    before = examined.keys()
    running = live(examined)
    for _ in range(steps):
        assert next(running).status is Status.OK
    assert len(examined.keys()) > len(before)
    running.close()  # type: ignore[attr-defined]
    assert examined.keys() == before
    assert examined.query(TABLES) == []
