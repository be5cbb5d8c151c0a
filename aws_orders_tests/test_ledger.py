"""Loading only what is new: the ledger, redeliveries, files that have gone, full refreshes."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_orders.config import ORDERS_FEED_KEY
from aws_orders.orders.ledger import Entry, compare
from aws_orders.orders.load import OrdersLoad, load_orders
from aws_orders.resources.redshift import statements
from aws_orders_tests.conftest import ORDERS_CSV, Platform
from aws_orders_tests.test_plain_data import stored

HEADER = ORDERS_CSV.splitlines()[0]


def delivery(*orders: int, name: str = "A", header: str = HEADER) -> str:
    rows = "".join(f"{order},{name},a@example.org,1,1,1,1\n" for order in orders)
    return f"{header}\n{rows}"


@pytest.fixture
def warehouse(platform: Platform) -> Platform:
    """Return a platform without a feed, whose deliveries are what a test drops."""
    platform.set_feeds(orders="")
    platform.refresh("refresh_products")
    return platform


def load(platform: Platform, **config: Any) -> dict[str, Any]:
    overrides = {"redshift_orders": config} if config else {}
    return platform.refresh("refresh_orders", **overrides)["redshift_orders"]


def orders(platform: Platform) -> list[tuple[int, str]]:
    return platform.query("SELECT order_id, customer_name FROM orders ORDER BY 1, 2")


def ledger(platform: Platform) -> dict[str, int]:
    return dict(platform.query("SELECT delivery, load_id FROM orders_loads"))


def test_a_new_delivery_is_loaded_and_the_earlier_ones_are_left_alone(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", delivery(1, 2))
    assert load(warehouse)["rows loaded"] == 2
    warehouse.deliver("b.csv", delivery(3))
    report = load(warehouse)
    assert (report["rows loaded"], report["new deliveries"]) == (1, 1)
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
    assert (report["rows loaded"], report["COPY statements"]) == (0, 0)
    assert ledger(warehouse) == {"input/orders/a.csv": 1}


def test_the_ledger_says_what_came_with_which_load_when_and_by_which_run(
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
    assert (report["redelivered"], report["new deliveries"]) == (1, 0)
    assert orders(warehouse) == [(1, "Corrected"), (3, "A"), (9, "Corrected")]
    assert len(set(ledger(warehouse).values())) == 2


def test_a_file_delivered_again_and_again_takes_no_other_along_after_the_first_time(
    warehouse: Platform,
) -> None:
    for name in ("a", "b", "c"):
        warehouse.deliver(f"{name}.csv", delivery(ord(name)))
    load(warehouse)
    loaded = []
    for number in range(3):
        warehouse.deliver("a.csv", delivery(97, name=f"Edition {number}"))
        loaded.append(load(warehouse)["rows loaded"])
    assert loaded == [3, 1, 1]


def test_a_new_edition_of_the_feed_takes_no_delivery_along(platform: Platform) -> None:
    platform.deliver("a.csv", delivery(7))
    platform.refresh()
    platform.feed("orders", ORDERS_CSV.replace("Ada", "Zoe"))
    report = platform.refresh("refresh_orders")["redshift_orders"]
    assert report["rows loaded"] == 3
    assert ledger(platform)["input/orders/a.csv"] < ledger(platform)[ORDERS_FEED_KEY]


def test_a_file_that_has_gone_from_s3_keeps_its_rows(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", delivery(1))
    load(warehouse)
    warehouse.s3.delete_object(Bucket=warehouse.bucket, Key="input/orders/a.csv")
    warehouse.deliver("b.csv", delivery(2))
    load(warehouse)
    assert orders(warehouse) == [(1, "A"), (2, "A")]


def test_replacing_a_load_whose_sibling_has_gone_is_refused_by_name_with_the_ways_out(
    warehouse: Platform,
) -> None:
    warehouse.deliver("a.csv", delivery(1))
    warehouse.deliver("b.csv", delivery(2))
    load(warehouse)
    warehouse.s3.delete_object(Bucket=warehouse.bucket, Key="input/orders/b.csv")
    warehouse.deliver("a.csv", delivery(1, name="Corrected"))
    told = warehouse.fault("refresh_orders")
    assert "input/orders/a.csv" in told
    assert f"s3://{warehouse.bucket}/input/orders/b.csv gone" in told
    assert "Restore that file" in told
    assert "full_refresh: true" in told
    assert orders(warehouse) == [(1, "A"), (2, "A")]
    load(warehouse, full_refresh=True)
    assert orders(warehouse) == [(1, "Corrected")]


def test_a_full_refresh_makes_the_table_what_is_on_s3(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", delivery(1))
    load(warehouse)
    warehouse.query("INSERT INTO orders (order_id, load_id) VALUES (99, 1) RETURNING 1")
    warehouse.deliver("b.csv", delivery(2))
    report = load(warehouse, full_refresh=True)
    assert report["rows loaded"] == 2
    assert orders(warehouse) == [(1, "A"), (2, "A")]
    assert set(ledger(warehouse)) == {"input/orders/a.csv", "input/orders/b.csv"}


def test_an_order_date_is_loaded_where_a_file_has_one(warehouse: Platform) -> None:
    dated = f"order_date,{HEADER}\n2026-11-23 08:15:00,2,A,a@example.org,1,1,1,1\n"
    warehouse.deliver("dated.csv", dated)
    warehouse.deliver("older.csv", delivery(1))
    report = load(warehouse)
    assert report["unknown columns"] == {}
    dates = warehouse.query("SELECT order_id, order_date::text FROM orders ORDER BY 1")
    assert dates == [(1, None), (2, "2026-11-23 08:15:00")]


def test_an_order_in_two_files_is_kept_twice(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", delivery(1))
    warehouse.deliver("b.csv", delivery(1))
    load(warehouse)
    assert orders(warehouse) == [(1, "A"), (1, "A")]


def during_the_copy(monkeypatch: pytest.MonkeyPatch, event: Callable[[], object]) -> None:
    """Have `event` happen between the plan of the next load and its first COPY."""
    copied, happened = statements.copy_deliveries, []

    def copy_after_event(*arguments: Any) -> Any:
        if not happened:
            happened.append(True)
            event()
        return copied(*arguments)

    monkeypatch.setattr(statements, "copy_deliveries", copy_after_event)


def load_as(platform: Platform, run_id: str, **options: bool) -> OrdersLoad:
    return load_orders(
        platform.redshift, platform.s3, platform.settings, run_id, f"_runs/{run_id}/", **options
    )


def test_a_load_by_another_run_meanwhile_is_noticed_and_planned_anew(
    warehouse: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.deliver("a.csv", delivery(1))
    during_the_copy(monkeypatch, lambda: load_as(warehouse, "other"))
    assert load_as(warehouse, "this").loaded == 0
    assert orders(warehouse) == [(1, "A")]
    assert warehouse.query("SELECT run_id FROM orders_loads") == [("other",)]


def test_a_file_delivered_anew_while_it_is_loaded_is_recorded_as_what_was_loaded(
    warehouse: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.deliver("a.csv", delivery(1, name="Old"))
    during_the_copy(monkeypatch, lambda: warehouse.deliver("a.csv", delivery(1, name="New")))
    load_as(warehouse, "1")
    assert orders(warehouse) == [(1, "New")]
    warehouse.deliver("a.csv", delivery(1, name="Old"))
    load_as(warehouse, "2")
    assert orders(warehouse) == [(1, "Old")]


def test_columns_swapped_while_a_file_is_loaded_do_not_stay_swapped_when_it_goes(
    warehouse: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.deliver("a.csv", delivery(1))
    swapped = HEADER.replace("quantity,total", "total,quantity")
    text = f"{swapped}\n1,A,a@example.org,1,2,6,3\n"
    during_the_copy(monkeypatch, lambda: warehouse.deliver("a.csv", text))
    load_as(warehouse, "1")
    warehouse.s3.delete_object(Bucket=warehouse.bucket, Key="input/orders/a.csv")
    load_as(warehouse, "2")
    assert warehouse.query("SELECT quantity, total::text FROM orders") == [(3, "6.00")]


def test_a_plan_is_outdated_also_where_load_ids_have_started_over(
    warehouse: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.deliver("a.csv", delivery(1))
    load_as(warehouse, "1")
    warehouse.deliver("a.csv", delivery(1, name="New"))
    place = {"Bucket": warehouse.bucket, "Key": "input/orders/a.csv"}

    def everything_goes_and_comes_back() -> None:
        body = warehouse.s3.get_object(**place)["Body"].read()
        warehouse.s3.delete_object(**place)
        load_as(warehouse, "empty", full_refresh=True)
        warehouse.deliver("b.csv", delivery(2))
        load_as(warehouse, "b")
        warehouse.s3.delete_object(Bucket=warehouse.bucket, Key="input/orders/b.csv")
        warehouse.s3.put_object(**place, Body=body)

    during_the_copy(monkeypatch, everything_goes_and_comes_back)
    load_as(warehouse, "2")
    assert orders(warehouse) == [(1, "New"), (2, "A")]


def test_two_first_loads_at_once_both_succeed(platform: Platform) -> None:
    platform.deliver("a.csv", delivery(1))
    start = threading.Barrier(2)

    def first_load(run_id: str) -> int:
        start.wait()
        return load_as(platform, run_id).rows

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(first_load, ["one", "two"])) == [1, 1]


keys = st.sampled_from("abcdefgh")


@given(
    listing=st.dictionaries(keys, st.integers(0, 2)),
    known=st.dictionaries(keys, st.tuples(st.integers(0, 2), st.integers(1, 3))),
)
def test_comparing_streams_says_what_comparing_dictionaries_does(
    listing: dict[str, int], known: dict[str, tuple[int, int]]
) -> None:
    changes = compare(
        (stored(key, etag=str(etag)) for key, etag in sorted(listing.items())),
        (Entry(key, str(etag), load) for key, (etag, load) in sorted(known.items())),
    )
    assert {o.key for o in changes.new} == listing.keys() - known.keys()
    changed = {key for key in listing.keys() & known.keys() if listing[key] != known[key][0]}
    assert {o.key for o in changes.redelivered} == changed
    assert changes.outdated == {known[key][1] for key in changed}
