"""Checks: each one fails with the faults' number and examples; a blocking one stops publication."""

import dagster as dg
import pytest

from aws_orders.definitions import defs
from aws_orders.output.assets import OUTPUT_CHECKS
from aws_orders.output.checks import ORDER_CHECKS, PRODUCT_CHECKS
from aws_orders.products.assets import SAME_COUNT
from aws_orders_tests.conftest import ORDERS_CSV, Platform
from aws_orders_tests.output.test_verify import BROKEN_FILES

INSERT = (
    "INSERT INTO orders (order_id, customer_name, customer_email, product_id, price, quantity,"
    " total, load_id) VALUES "
)
ROW = "'A', 'a@example.org', 1, 2, 3, 6, 1"

# By check: a statement that breaks it, the number of faults, and words of its examples or texts.
BROKEN_PRODUCTS = {
    "product_ids_are_unique": (
        "INSERT INTO products (product_id, product_name) VALUES (1, 'Kettle'), (1, 'Pot')",
        2,
        ["| 1 | 3 |", "2 of 5 products have a duplicate or missing id."],
    ),
    "products_have_names": (
        "INSERT INTO products (product_id, product_name, brand) VALUES (7, ' ', 'Hale')",
        1,
        ["| 7 |", "Hale", "1 of 4 products has no name."],
    ),
}
BROKEN_ORDERS = {
    "orders_have_ids": (
        f"ALTER TABLE orders ALTER COLUMN order_id DROP NOT NULL; {INSERT} (NULL, {ROW})",
        1,
        ["| 1 | 1 |", "1 of 4 orders has no id."],
    ),
    "order_ids_are_unique": (
        f"{INSERT} (2, {ROW}), (2, {ROW})",
        2,
        ["| 2 | 3 |", "2 of 5 orders have a duplicate id."],
    ),
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
        ["has 4", "ledger has 3", "| 1 | 1 | 3 | 0 | 3 | 4 |"],
    ),
    "no_rows_are_quarantined": (
        "INSERT INTO orders_rejected (load_id, delivery, line, column_name, reason)"
        " VALUES (1, 'input/orders/x.csv', 5, 'price', 'Invalid digit')",
        1,
        ["input/orders/x.csv", "| 5 |", "Invalid digit", "1 row is quarantined"],
    ),
}


def texts(found: dg.AssetCheckEvaluation) -> str:
    """Return all texts of a check."""
    return f"{found.description} {[value.value for value in found.metadata.values()]}"


def test_every_check_has_a_test_that_sees_it_fail() -> None:
    broken = {*BROKEN_PRODUCTS, *BROKEN_ORDERS, *BROKEN_FILES}
    keys = defs.resolve_asset_graph().asset_check_keys
    assert {key.name for key in keys} == broken | {
        "columns_are_unchanged",
        "count_matches_dynamodb",
    }


def test_every_check_passes_on_good_data(platform: Platform) -> None:
    found = platform.checks()
    assert len(found) == len(BROKEN_PRODUCTS) + len(BROKEN_ORDERS) + len(OUTPUT_CHECKS) + 2
    assert [name for name, check in found.items() if not check.passed] == []
    assert "```sql\nSELECT" in str(found["totals_add_up"].metadata["sql_for_all_rows"].value)


@pytest.mark.parametrize("name", [*BROKEN_PRODUCTS, *BROKEN_ORDERS])
def test_a_failed_check_has_the_number_of_faults_examples_and_a_query_that_finds_all(
    platform: Platform, name: str
) -> None:
    platform.refresh()
    statement, faults, words = (BROKEN_PRODUCTS | BROKEN_ORDERS)[name]
    platform.query(statement)
    found = platform.check("redshift_products" if name in BROKEN_PRODUCTS else "redshift_orders")
    check = found[name]
    assert (check.passed, check.metadata["violations"].value) == (False, faults)
    assert [word for word in words if word not in texts(check)] == []
    (spec,) = [spec for spec in (*PRODUCT_CHECKS, *ORDER_CHECKS) if spec.name == name]
    severity = dg.AssetCheckSeverity.ERROR if spec.blocking else dg.AssetCheckSeverity.WARN
    assert (check.severity, check.blocking) == (severity, spec.blocking)
    if "sql_for_all_rows" in check.metadata:
        query = str(check.metadata["sql_for_all_rows"].value)
        assert platform.query(query.removeprefix("```sql\n").removesuffix("\n```"))


def test_only_checks_of_what_must_not_be_published_block() -> None:
    specs = (*PRODUCT_CHECKS, SAME_COUNT, *ORDER_CHECKS, *OUTPUT_CHECKS)
    blocking = {spec.name for spec in specs if spec.blocking}
    assert blocking == {
        "product_ids_are_unique",
        "count_matches_dynamodb",
        "orders_have_ids",
        "every_record_is_accounted_for",
        *BROKEN_FILES,
    }


def test_a_failed_blocking_check_stops_publication(platform: Platform) -> None:
    platform.refresh()
    before = platform.detailed
    platform.deliver("more.csv", ORDERS_CSV.replace("Ada", "Zoe"))
    platform.query(f"{INSERT} (9, {ROW})")
    result = platform.materialize("refresh_orders")
    assert not result.success
    error = platform.failure(result)
    assert "Blocked by every_record_is_accounted_for" in error
    assert "the published files are unchanged" in error
    assert "1 row or record is unaccounted for. The table has 7 orders, the ledger has 6" in error
    assert not result.asset_materializations_for_node("detailed_orders_csv")
    assert platform.detailed == before


def test_a_single_check_can_be_run_alone(platform: Platform) -> None:
    platform.refresh()
    platform.query(BROKEN_ORDERS["every_record_is_accounted_for"][0])
    key = dg.AssetCheckKey(dg.AssetKey("redshift_orders"), "totals_add_up")
    platform.jobs = [dg.define_asset_job("one", selection=dg.AssetSelection.checks(key))]
    assert [*platform.checks("one")] == ["totals_add_up"]


def test_a_warning_does_not_stop_publication(platform: Platform) -> None:
    platform.feed("orders", ORDERS_CSV.replace("olga@example.org,1", "olga@example.org,77"))
    found = platform.checks()
    assert "| 77 | 1 |" in texts(found["products_are_known"])
    assert platform.unmatched.count("\n") == 2


def test_checks_show_no_personal_data(platform: Platform) -> None:
    platform.refresh()
    platform.query("UPDATE orders SET customer_email = 'planted secret', quantity = 0, price = -1")
    found = platform.check("redshift_orders")
    assert not found["emails_are_plausible"].passed
    everything = " ".join(map(texts, found.values()))
    assert "planted" not in everything
    assert "Dahl" not in everything


# --- The file that is about to be published -----------------------------------------------------


# --- What COPY brings from DynamoDB --------------------------------------------------------------


# --- Drift of columns ---------------------------------------------------------------------------
