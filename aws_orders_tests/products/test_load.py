"""The load of products: COPY is repeated until it counts what DynamoDB counts."""

import uuid
from typing import Any

import pytest

from aws_orders.products import load as products_load
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders_tests.conftest import Platform


def test_a_copy_that_misses_items_is_repeated_until_the_counts_agree(
    platform: Platform,
) -> None:
    platform.refresh()
    counts = iter([5, 4, 3])
    waits: list[float] = []
    loaded = products_load.load_products(
        platform.redshift, platform.settings.products_table, lambda: next(counts), waits.append
    )
    assert loaded.rows == 3
    assert len(waits) == 2


def test_a_copy_that_keeps_missing_items_leaves_the_table_unchanged(platform: Platform) -> None:
    platform.refresh()
    with pytest.raises(
        products_load.CountMismatchError,
        match=r"read 3 items from .*, but DynamoDB counts 5",
    ):
        products_load.load_products(
            platform.redshift, platform.settings.products_table, lambda: 5, lambda _: None
        )
    assert platform.query("SELECT count(*) FROM products") == [(3,)]


def test_a_different_count_than_dynamodbs_is_reported_and_nothing_is_replaced(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.refresh()
    monkeypatch.setattr(products_load, "COUNT_ATTEMPTS", 2)
    count = DynamoDBResource.count

    def count_while_others_write(dynamodb: DynamoDBResource, client: Any, table: str) -> int:
        item = {"product_id": {"N": str(uuid.uuid4().int % 10**9)}, "product_name": {"S": "new"}}
        client.put_item(TableName=table, Item=item)
        return count(dynamodb, client, table)

    monkeypatch.setattr(DynamoDBResource, "count", count_while_others_write)
    check = platform.checks("refresh_products")["count_matches_dynamodb"]
    assert (check.passed, check.metadata["violations"].value) == (False, 1)
    assert "Wait until nothing writes to the table" in str(check.description)
    assert platform.query("SELECT count(*) FROM products") == [(3,)]
