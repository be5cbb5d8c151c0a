"""Checks: each is seen to fail, says how many and which, and a blocking one stops publication."""

import uuid
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from aws_orders.definitions import defs
from aws_orders.output import unload
from aws_orders.output.assets import OUTPUT_CHECKS
from aws_orders.output.checks import ORDER_CHECKS, PRODUCT_CHECKS
from aws_orders.products import load
from aws_orders.products.assets import SAME_COUNT
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform

INSERT = (
    "INSERT INTO orders (order_id, customer_name, customer_email, product_id, price, quantity,"
    " total, load_id) VALUES "
)
ROW = "'A', 'a@example.org', 1, 2, 3, 6, 1"

# By check: what breaks it, how many are then at fault, and what its examples or words name.
BROKEN_PRODUCTS = {
    "product_ids_are_unique": (
        "INSERT INTO products (product_id, product_name) VALUES (1, 'Kettle'), (1, 'Pot')",
        2,
        ["| 1 | 3 |"],
    ),
    "products_have_names": (
        "INSERT INTO products (product_id, product_name, brand) VALUES (7, ' ', 'Hale')",
        1,
        ["| 7 |", "Hale"],
    ),
}
BROKEN_ORDERS = {
    "orders_have_ids": (
        f"ALTER TABLE orders ALTER COLUMN order_id DROP NOT NULL; {INSERT} (NULL, {ROW})",
        1,
        ["| 1 | 1 |"],
    ),
    "order_ids_are_unique": (f"{INSERT} (2, {ROW}), (2, {ROW})", 2, ["| 2 | 3 |"]),
    "totals_add_up": ("UPDATE orders SET total = 5.02 WHERE order_id = 2", 1, ["| 2 |", "5.02"]),
    "quantities_are_positive": (
        "UPDATE orders SET quantity = CASE order_id WHEN 1 THEN 0 WHEN 2 THEN NULL ELSE -1 END",
        3,
        ["| 1 | 1 | 0 |", "| 3 | 1 | -1 |"],
    ),
    "prices_are_not_negative": (
        "UPDATE orders SET price = CASE order_id WHEN 1 THEN -0.01 WHEN 2 THEN NULL ELSE 0 END",
        2,
        ["| 1 | 1 | -0.01 |"],
    ),
    "emails_are_plausible": (
        "UPDATE orders SET customer_email ="
        " CASE order_id WHEN 1 THEN 'nobody' WHEN 2 THEN 'a@b@c.org' ELSE 'a@b' END",
        3,
        ["| 1 |", "| 2 |", "| 3 |"],
    ),
    "products_are_known": (
        "UPDATE orders SET product_id = CASE order_id WHEN 1 THEN 99 WHEN 2 THEN 99 END",
        3,
        ["| 99 | 2 |", "|  | 1 |"],
    ),
    "every_record_is_accounted_for": (
        f"{INSERT} (9, {ROW})",
        1,
        ["has 4", "ledger 3", "| 1 | 1 | 3 | 0 | 3 | 4 |"],
    ),
    "no_rows_are_quarantined": (
        "INSERT INTO orders_rejected (load_id, delivery, line, column_name, reason)"
        " VALUES (1, 'input/orders/x.csv', 5, 'price', 'Invalid digit')",
        1,
        ["input/orders/x.csv", "| 5 |", "Invalid digit"],
    ),
}


def told(found: dg.AssetCheckEvaluation) -> str:
    """Return all that a check says."""
    return f"{found.description} {[value.value for value in found.metadata.values()]}"


def test_every_check_is_one_that_is_seen_to_fail_here() -> None:
    broken = {*BROKEN_PRODUCTS, *BROKEN_ORDERS, *BROKEN_FILES}
    keys = defs.resolve_asset_graph().asset_check_keys
    assert {key.name for key in keys} == broken | {"columns_are_unchanged", "dynamodb_has_as_many"}


def test_where_all_is_well_every_check_passes(platform: Platform) -> None:
    found = platform.checks()
    assert len(found) == len(BROKEN_PRODUCTS) + len(BROKEN_ORDERS) + len(OUTPUT_CHECKS) + 2
    assert [name for name, check in found.items() if not check.passed] == []
    assert "```sql\nSELECT" in found["totals_add_up"].metadata["SQL to see all"].value


@pytest.mark.parametrize("name", [*BROKEN_PRODUCTS, *BROKEN_ORDERS])
def test_a_check_fails_by_how_many_and_which_rows_and_the_query_finds_them(
    platform: Platform, name: str
) -> None:
    platform.refresh()
    statement, faults, words = (BROKEN_PRODUCTS | BROKEN_ORDERS)[name]
    platform.query(statement)
    found = platform.check("redshift_products" if name in BROKEN_PRODUCTS else "redshift_orders")
    check = found[name]
    assert (check.passed, check.metadata["violations"].value) == (False, faults)
    assert [word for word in words if word not in told(check)] == []
    (spec,) = [spec for spec in (*PRODUCT_CHECKS, *ORDER_CHECKS) if spec.name == name]
    severity = dg.AssetCheckSeverity.ERROR if spec.blocking else dg.AssetCheckSeverity.WARN
    assert (check.severity, check.blocking) == (severity, spec.blocking)
    if "SQL to see all" in check.metadata:
        query = (
            check.metadata["SQL to see all"].value.removeprefix("```sql\n").removesuffix("\n```")
        )
        assert platform.query(query)


def test_only_what_may_not_be_published_blocks() -> None:
    specs = (*PRODUCT_CHECKS, SAME_COUNT, *ORDER_CHECKS, *OUTPUT_CHECKS)
    blocking = {spec.name for spec in specs if spec.blocking}
    assert blocking == {
        "product_ids_are_unique",
        "dynamodb_has_as_many",
        "orders_have_ids",
        "every_record_is_accounted_for",
        *BROKEN_FILES,
    }


def test_a_blocking_check_that_fails_stops_publication_and_says_so(platform: Platform) -> None:
    platform.refresh()
    before = platform.detailed
    platform.deliver("more.csv", ORDERS_CSV.replace("Ada", "Zoe"))
    platform.query(f"{INSERT} (9, {ROW})")
    result = platform.materialize("refresh_orders")
    assert not result.success
    said = platform.failure(result)
    assert "Blocked by every_record_is_accounted_for" in said
    assert "output/detailed_orders.csv is unchanged" in said
    assert "The table has 7 orders, the ledger 6" in said
    assert not result.asset_materializations_for_node("detailed_orders_csv")
    assert platform.detailed == before


def test_a_single_check_can_be_run_by_itself(platform: Platform) -> None:
    platform.refresh()
    platform.query(BROKEN_ORDERS["every_record_is_accounted_for"][0])
    key = dg.AssetCheckKey(dg.AssetKey("redshift_orders"), "totals_add_up")
    platform.jobs = [dg.define_asset_job("one", selection=dg.AssetSelection.checks(key))]
    assert [*platform.checks("one")] == ["totals_add_up"]


def test_a_warning_does_not_stop_publication(platform: Platform) -> None:
    platform.feed("orders", ORDERS_CSV.replace("olga@example.org,1", "olga@example.org,77"))
    found = platform.checks()
    assert "| 77 | 1 |" in told(found["products_are_known"])
    assert platform.unmatched.count("\n") == 2


def test_checks_show_no_personal_data(platform: Platform) -> None:
    platform.refresh()
    platform.query("UPDATE orders SET customer_email = 'planted secret', quantity = 0, price = -1")
    found = platform.check("redshift_orders")
    assert not found["emails_are_plausible"].passed
    everything = " ".join(map(told, found.values()))
    assert "planted" not in everything
    assert "Dahl" not in everything


# --- The file that is about to be published -----------------------------------------------------

BROKEN_FILES: dict[str, tuple[Callable[[bytes], bytes], list[str]]] = {
    "header_is_the_contracts": (
        lambda part: part.replace(b"order_id", b"order_no", 1),
        ["order_no"],
    ),
    "total_is_the_warehouses": (lambda part: part.replace(b"30.02", b"30.03"), ["35.03", "35.02"]),
    "files_are_whole": (lambda part: part.replace(b"Ada", b"Ad"), ["bytes, S3"]),
    "no_order_is_lost": (lambda part: part, ["5 orders with and 0 without a product; 3"]),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_file_that_is_not_what_the_warehouse_holds_is_not_published(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    platform.refresh()
    platform.feed("orders", ORDERS_CSV.replace("olga@example.org,1", "olga@example.org,77"))
    platform.refresh("refresh_orders")
    before = platform.detailed, platform.unmatched
    damage, words = BROKEN_FILES[name]
    look = unload._look

    def look_at_damaged(s3: Any, settings: Any, output: Any, rows: int) -> Any:
        key = f"{output.parts_prefix}000"
        if output.target.endswith("detailed_orders.csv"):
            part = s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read()
            s3.put_object(Bucket=settings.bucket, Key=key, Body=damage(part))
        return look(s3, settings, output, rows)

    monkeypatch.setattr(unload, "_look", look_at_damaged)
    if name == "no_order_is_lost":
        platform.query(
            "INSERT INTO products (product_id, product_name) VALUES (2, 'x'), (3, 'y'), (77, 'z')"
        )
    result = platform.materialize("refresh_orders")
    assert f"Blocked by {name}:" in platform.failure(result)
    found = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not found[name].passed
    assert [word for word in words if word not in told(found[name])] == []
    assert (platform.detailed, platform.unmatched) == before


# --- What COPY brings from DynamoDB --------------------------------------------------------------


def test_another_count_than_dynamodbs_is_told_and_nothing_is_replaced(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.refresh()
    monkeypatch.setattr(load, "COUNT_ATTEMPTS", 2)
    count = DynamoDBResource.count

    def count_while_others_write(dynamodb: DynamoDBResource, client: Any, table: str) -> int:
        item = {"product_id": {"N": str(uuid.uuid4().int % 10**9)}, "product_name": {"S": "new"}}
        client.put_item(TableName=table, Item=item)
        return count(dynamodb, client, table)

    monkeypatch.setattr(DynamoDBResource, "count", count_while_others_write)
    check = platform.checks("refresh_products")["dynamodb_has_as_many"]
    assert (check.passed, check.metadata["violations"].value) == (False, 1)
    assert "Is something else writing to the table?" in told(check)
    assert platform.query("SELECT count(*) FROM products") == [(3,)]


# --- Drift of columns ---------------------------------------------------------------------------


def test_columns_that_appear_or_vanish_between_two_loads_are_told(platform: Platform) -> None:
    platform.set_feeds(orders="")
    drift = "columns_are_unchanged"
    platform.deliver("1.csv", ORDERS_CSV)
    assert platform.checks("refresh_orders")[drift].passed
    lines = ORDERS_CSV.splitlines()
    platform.deliver("2.csv", "\n".join([f"{lines[0]},coupon", f"{lines[1]},X"]))
    assert "Added: coupon; removed: none" in told(platform.checks("refresh_orders")[drift])
    assert platform.checks("refresh_orders")[drift].passed, "nothing was loaded since"
    platform.deliver("3.csv", ORDERS_CSV)
    assert "Added: none; removed: coupon" in told(platform.checks("refresh_orders")[drift])


def test_a_column_that_appears_in_the_products_feed_is_told(platform: Platform) -> None:
    platform.refresh("refresh_products")
    platform.feed(
        "products",
        PRODUCTS_CSV.replace("brand\n", "brand,colour\n")
        .replace("Hale\n", "Hale,red\n")
        .replace("Ostrava\n", "Ostrava,\n")
        .replace("Home,\n", "Home,,\n"),
    )
    found = platform.checks("refresh_products")["columns_are_unchanged"]
    assert "Added: colour" in told(found)
