"""The checks of the files to publish."""

from collections.abc import Callable
from typing import Any

import pytest

from aws_orders.output import unload
from aws_orders_tests.conftest import ORDERS_CSV, Platform

BROKEN_FILES: dict[str, tuple[Callable[[bytes], bytes], list[str]]] = {
    "header_matches_contract": (
        lambda part: part.replace(b"order_id", b"order_no", 1),
        ["order_no"],
    ),
    "total_matches_warehouse": (lambda part: part.replace(b"30.02", b"30.03"), ["35.03", "35.02"]),
    "files_are_complete": (lambda part: part.replace(b"Ada", b"Ad"), ["bytes, S3 has"]),
    "no_order_is_lost": (lambda part: part, ["5 orders with and 0 without a known product; 3"]),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_file_that_differs_from_the_warehouse_is_not_published(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    platform.refresh()
    platform.feed("orders", ORDERS_CSV.replace("olga@example.org,1", "olga@example.org,77"))
    platform.refresh("refresh_orders")
    before = platform.detailed, platform.unmatched
    damage, words = BROKEN_FILES[name]
    inspect = unload.inspect_output

    def inspect_damaged(s3: Any, settings: Any, output: Any, rows: int) -> Any:
        key = f"{output.parts_prefix}000"
        if output.key.endswith("detailed_orders.csv"):
            part = s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read()
            s3.put_object(Bucket=settings.bucket, Key=key, Body=damage(part))
        return inspect(s3, settings, output, rows)

    monkeypatch.setattr(unload, "inspect_output", inspect_damaged)
    if name == "no_order_is_lost":
        platform.query(
            "INSERT INTO products (product_id, product_name) VALUES (2, 'x'), (3, 'y'), (77, 'z')"
        )
    result = platform.materialize("refresh_orders")
    assert f"Blocked by {name}:" in platform.failure(result)
    found = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not found[name].passed
    assert [word for word in words if word not in str(found[name].description)] == []
    assert (platform.detailed, platform.unmatched) == before
