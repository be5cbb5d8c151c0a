"""Loads of orders: only new deliveries, redeliveries, deleted files and full refreshes."""

from typing import Any

from aws_orders.resources.settings import ORDERS_FEED_KEY
from aws_orders_tests.conftest import ORDERS_CSV, Platform

HEADER = ORDERS_CSV.splitlines()[0]


def delivery(*orders: int, name: str = "A", header: str = HEADER) -> str:
    rows = "".join(f"{order},{name},a@example.org,1,1,1,1\n" for order in orders)
    return f"{header}\n{rows}"


def load(platform: Platform, **config: Any) -> dict[str, Any]:
    overrides = {"redshift_orders": config} if config else {}
    return platform.refresh("refresh_orders", **overrides)["redshift_orders"]


def orders(platform: Platform) -> list[tuple[int, str]]:
    return platform.query("SELECT order_id, customer_name FROM orders ORDER BY 1, 2")


def ledger(platform: Platform) -> dict[str, int]:
    return dict(platform.query("SELECT delivery, load_id FROM orders_loads"))


def test_only_a_new_delivery_is_loaded(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", delivery(1, 2))
    assert load(warehouse)["rows_loaded"] == 2
    warehouse.deliver("b.csv", delivery(3))
    report = load(warehouse)
    assert (report["rows_loaded"], report["new_deliveries"]) == (1, 1)
    assert report["dagster/row_count"] == 3
    assert warehouse.query("SELECT order_id, load_id FROM orders ORDER BY 1") == [
        (1, 1),
        (2, 1),
        (3, 2),
    ]


def test_nothing_new_means_no_copy_and_no_load(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", delivery(1))
    load(warehouse)
    report = load(warehouse)
    assert (report["rows_loaded"], report["copy_statements"]) == (0, 0)
    assert ledger(warehouse) == {"input/orders/a.csv": 1}


def test_the_ledger_records_file_load_time_and_run(
    warehouse: Platform,
) -> None:
    warehouse.deliver("a.csv", delivery(1, 2))
    load(warehouse)
    (row,) = warehouse.query(
        "SELECT delivery, etag, size, load_rows, run_id,"
        " abs(extract(epoch FROM loaded_at - timezone('UTC', now()))) < 3600"
        " FROM orders_loads"
    )
    head = warehouse.s3.head_object(Bucket=warehouse.bucket, Key="input/orders/a.csv")
    (run,) = warehouse.instance.get_runs(limit=1)
    size = len(delivery(1, 2))
    assert row == ("input/orders/a.csv", head["ETag"].strip('"'), size, 2, run.run_id, True)


def test_a_redelivered_file_replaces_its_rows_and_its_siblings_stay(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", delivery(1, 2))
    warehouse.deliver("b.csv", delivery(3))
    load(warehouse)
    warehouse.deliver("a.csv", delivery(1, 9, name="Corrected"))
    report = load(warehouse)
    assert (report["redelivered"], report["new_deliveries"]) == (1, 0)
    assert orders(warehouse) == [(1, "Corrected"), (3, "A"), (9, "Corrected")]
    assert len(set(ledger(warehouse).values())) == 2


def test_a_file_redelivered_repeatedly_reloads_other_files_only_once(
    warehouse: Platform,
) -> None:
    for name in ("a", "b", "c"):
        warehouse.deliver(f"{name}.csv", delivery(ord(name)))
    load(warehouse)
    loaded = []
    for number in range(3):
        warehouse.deliver("a.csv", delivery(97, name=f"Edition {number}"))
        loaded.append(load(warehouse)["rows_loaded"])
    assert loaded == [3, 1, 1]


def test_a_changed_feed_reloads_no_delivery(platform: Platform) -> None:
    platform.deliver("a.csv", delivery(7))
    platform.refresh()
    platform.feed("orders", ORDERS_CSV.replace("Ada", "Zoe"))
    report = platform.refresh("refresh_orders")["redshift_orders"]
    assert report["rows_loaded"] == 3
    assert ledger(platform)["input/orders/a.csv"] < ledger(platform)[ORDERS_FEED_KEY]


def test_a_file_deleted_from_s3_keeps_its_rows(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", delivery(1))
    load(warehouse)
    warehouse.s3.delete_object(Bucket=warehouse.bucket, Key="input/orders/a.csv")
    warehouse.deliver("b.csv", delivery(2))
    load(warehouse)
    assert orders(warehouse) == [(1, "A"), (2, "A")]


def test_replacing_a_load_with_a_deleted_file_is_rejected_with_two_ways_to_fix_it(
    warehouse: Platform,
) -> None:
    warehouse.deliver("a.csv", delivery(1))
    warehouse.deliver("b.csv", delivery(2))
    load(warehouse)
    warehouse.s3.delete_object(Bucket=warehouse.bucket, Key="input/orders/b.csv")
    warehouse.deliver("a.csv", delivery(1, name="Corrected"))
    error = warehouse.fault("refresh_orders")
    assert "input/orders/a.csv" in error
    assert f"s3://{warehouse.bucket}/input/orders/b.csv was deleted" in error
    assert "Restore that file" in error
    assert "full_refresh: true" in error
    assert orders(warehouse) == [(1, "A"), (2, "A")]
    load(warehouse, full_refresh=True)
    assert orders(warehouse) == [(1, "Corrected")]


def test_a_full_refresh_makes_the_table_equal_to_s3(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", delivery(1))
    load(warehouse)
    warehouse.query("INSERT INTO orders (order_id, load_id) VALUES (99, 1) RETURNING 1")
    warehouse.deliver("b.csv", delivery(2))
    report = load(warehouse, full_refresh=True)
    assert report["rows_loaded"] == 2
    assert orders(warehouse) == [(1, "A"), (2, "A")]
    assert set(ledger(warehouse)) == {"input/orders/a.csv", "input/orders/b.csv"}


def test_an_order_date_is_loaded_if_a_file_has_one(warehouse: Platform) -> None:
    dated = f"order_date,{HEADER}\n2026-11-23 08:15:00,2,A,a@example.org,1,1,1,1\n"
    warehouse.deliver("dated.csv", dated)
    warehouse.deliver("older.csv", delivery(1))
    report = load(warehouse)
    assert report["unknown_columns"] == {}
    dates = warehouse.query("SELECT order_id, order_date::text FROM orders ORDER BY 1")
    assert dates == [(1, None), (2, "2026-11-23 08:15:00")]


def test_an_order_in_two_files_is_kept_twice(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", delivery(1))
    warehouse.deliver("b.csv", delivery(1))
    load(warehouse)
    assert orders(warehouse) == [(1, "A"), (1, "A")]
