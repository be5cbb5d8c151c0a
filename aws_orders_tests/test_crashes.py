"""Crashes half-way, lost connections, two runs at once: the result is as if nothing had been."""

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from psycopg2.sql import SQL

from aws_orders.contract import ORDERS
from aws_orders.orders import sql as orders_sql
from aws_orders.output import publish, unload
from aws_orders.output import sql as output_sql
from aws_orders.products import load as products_load
from aws_orders.products import sync as product_sync
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.session import Session
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform
from aws_orders_tests.test_refresh import DETAILED

CHANGED_PRODUCTS = PRODUCTS_CSV.replace("Tent", "Tarp").replace("1,Kettle", "4,Kettle")
CHANGED_ORDERS = ORDERS_CSV.replace("Ada", "Zoe")


class CrashError(Exception):
    """Stands for the process dying at that point."""


def crash(*_: Any, **__: Any) -> Any:
    raise CrashError


@pytest.fixture
def undisturbed(platform: Platform) -> Callable[[], tuple[Any, ...]]:
    """Return a function that collects all that a reader can see."""

    def state() -> tuple[Any, ...]:
        return (
            platform.items(),
            platform.query("SELECT * FROM products ORDER BY product_id"),
            # Not the number of the load, which is another for each.
            platform.query(f"SELECT {', '.join(ORDERS.names)} FROM orders ORDER BY order_id"),
            platform.detailed,
            platform.unmatched,
        )

    return state


POINTS: dict[str, list[tuple[Any, str]]] = {
    "products": [
        (product_sync.DynamoDBResource, "put_items"),
        (product_sync.DynamoDBResource, "delete_items"),
        (products_load, "_replace"),
        (statements, "delete_all"),
        (statements, "insert_from_stage"),
    ],
    "orders": [
        (orders_sql, "insert_load"),
        (statements, "insert_rows"),
        (orders_sql, "delete_loads"),
    ],
    "publication": [
        (output_sql, "select_unmatched"),
        (unload, "_look"),
        (publish, "join_objects"),
        (unload, "delete_prefix"),
        (publish, "delete_prefix"),
    ],
}


@pytest.mark.parametrize("points", POINTS.values(), ids=POINTS)
def test_a_crash_half_way_hurts_no_reader_and_the_next_run_completes_it(
    platform: Platform,
    undisturbed: Callable[[], tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    points: list[tuple[Any, str]],
) -> None:
    feeds = [(PRODUCTS_CSV, ORDERS_CSV), (CHANGED_PRODUCTS, CHANGED_ORDERS)]
    without_crash = []
    for products, orders in feeds:
        platform.feed("products", products)
        platform.feed("orders", orders)
        platform.refresh()
        without_crash.append(undisturbed())
    assert set(platform.items()) == {"2", "3", "4"}
    assert "Zoe Dahl" in platform.detailed
    assert "Tarp" in platform.detailed
    assert "Brandt" in platform.unmatched
    # From one pair of feeds to the other and back, with a crash on each way.
    for turn, (module, name) in enumerate(points):
        for feed, text in zip(("products", "orders"), feeds[turn % 2], strict=True):
            platform.feed(feed, text)
        with monkeypatch.context() as patch:
            patch.setattr(module, name, crash)
            # Each branch stops where it crashed; whichever table it was writing is whole.
            assert not platform.materialize().success, name
        for table in ("orders", "products"):
            assert platform.query(f"SELECT count(*) FROM {table}") == [(3,)], name
        assert platform.detailed.count("\n") >= 3, name
        platform.refresh()
        assert undisturbed() == without_crash[turn % 2], name
    platform.refresh()
    assert undisturbed() == without_crash[turn % 2]


def test_a_connection_lost_during_a_load_is_replaced_and_the_load_done_once(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.refresh()
    inserted = orders_sql.insert_load
    platform.feed("orders", CHANGED_ORDERS)
    lost = []

    def lose_then_insert(*arguments: Any) -> Any:
        if not lost:
            pids = platform.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'aws_orders' AND pid <> pg_backend_pid()"
            )
            lost.extend(pids)
        return inserted(*arguments)

    monkeypatch.setattr(orders_sql, "insert_load", lose_then_insert)
    platform.refresh()
    assert lost
    assert platform.detailed == DETAILED.replace("Ada", "Zoe")


def test_work_is_tried_again_after_a_serialization_failure_but_not_for_ever(
    platform: Platform,
) -> None:
    waits: list[float] = []
    tries = 0

    def fail(session: Session) -> None:
        nonlocal tries
        tries += 1
        session.execute(
            SQL(
                "DO $$ BEGIN RAISE EXCEPTION SQLSTATE 'XX000' USING MESSAGE ="
                " '1023 - Serializable isolation violation on table - 1'; END $$"
            )
        )

    with pytest.raises(psycopg2.Error, match="1023"):
        platform.redshift.run(fail, sleep=waits.append)
    assert tries == 4
    assert [0.5, 1, 2] <= waits <= [1, 2, 4]


def test_an_error_that_no_retry_mends_is_not_retried(platform: Platform) -> None:
    tries = 0

    def fail(session: Session) -> None:
        nonlocal tries
        tries += 1
        session.execute(SQL("SELECT * FROM no_such_table"))

    with pytest.raises(psycopg2.Error, match="no_such_table"):
        platform.redshift.run(fail)
    assert tries == 1


def test_two_refreshes_at_once_come_to_the_same_as_one(platform: Platform) -> None:
    platform.refresh()
    start, results = threading.Barrier(2), []

    def refresh() -> None:
        # With clients and a Dagster instance of its own.
        other = dataclasses.replace(platform, dynamodb=DynamoDBResource())
        start.wait()
        results.append(other.materialize().success)

    threads = [threading.Thread(target=refresh) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True, True]
    assert platform.query("SELECT count(*) FROM orders") == [(3,)]
    assert platform.query("SELECT count(*) FROM products") == [(3,)]
    assert platform.detailed == DETAILED


def test_a_copy_that_misses_items_is_done_again_until_the_counts_agree(
    platform: Platform,
) -> None:
    platform.refresh()
    counts, waits = iter([5, 4, 3]), []
    load = products_load.load_products(
        platform.redshift, platform.settings.products_table, lambda: next(counts), waits.append
    )
    assert load.rows == 3
    assert len(waits) == 2


def test_a_copy_that_keeps_missing_items_leaves_the_table_as_it_was(platform: Platform) -> None:
    platform.refresh()
    with pytest.raises(
        products_load.CountMismatchError, match="brought 3 items, DynamoDB counts 5"
    ):
        products_load.load_products(
            platform.redshift, platform.settings.products_table, lambda: 5, lambda _: None
        )
    assert platform.query("SELECT count(*) FROM products") == [(3,)]
