"""Crashes, lost connections and concurrent runs do not change the result."""

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
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.session import Session
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform
from aws_orders_tests.test_refresh import DETAILED

CHANGED_PRODUCTS = PRODUCTS_CSV.replace("Tent", "Tarp").replace("1,Kettle", "4,Kettle")
CHANGED_ORDERS = ORDERS_CSV.replace("Ada", "Zoe")


class CrashError(Exception):
    """Stands for the death of the process at that point."""


def crash(*_: Any, **__: Any) -> Any:
    raise CrashError


@pytest.fixture
def visible(platform: Platform) -> Callable[[], tuple[Any, ...]]:
    """Return a function that collects all that consumers can see."""

    def state() -> tuple[Any, ...]:
        return (
            platform.items(),
            platform.query("SELECT * FROM products ORDER BY product_id"),
            # Without the load's id, which differs from load to load.
            platform.query(f"SELECT {', '.join(ORDERS.names)} FROM orders ORDER BY order_id"),
            platform.detailed,
            platform.unmatched,
        )

    return state


POINTS: dict[str, list[tuple[Any, str]]] = {
    "products": [
        (DynamoDBResource, "put_items"),
        (DynamoDBResource, "delete_items"),
        (products_load, "_replace_products"),
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
        (unload, "inspect_output"),
        (publish, "join_objects"),
        (unload, "delete_prefix"),
        (publish, "delete_prefix"),
    ],
}


@pytest.mark.parametrize("points", POINTS.values(), ids=POINTS)
def test_a_crash_affects_no_consumer_and_the_next_run_completes_the_work(
    platform: Platform,
    visible: Callable[[], tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    points: list[tuple[Any, str]],
) -> None:
    feeds = [(PRODUCTS_CSV, ORDERS_CSV), (CHANGED_PRODUCTS, CHANGED_ORDERS)]
    without_crash = []
    for products, orders in feeds:
        platform.feed("products", products)
        platform.feed("orders", orders)
        platform.refresh()
        without_crash.append(visible())
    assert set(platform.items()) == {"2", "3", "4"}
    assert "Zoe Dahl" in platform.detailed
    assert "Tarp" in platform.detailed
    assert "Brandt" in platform.unmatched
    # From one pair of feeds to the other and back, with a crash each time.
    for turn, (module, name) in enumerate(points):
        for feed, text in zip(("products", "orders"), feeds[turn % 2], strict=True):
            platform.feed(feed, text)
        with monkeypatch.context() as patch:
            patch.setattr(module, name, crash)
            # The run stops at the crash; the table that it was writing is complete.
            assert not platform.materialize().success, name
        for table in ("orders", "products"):
            assert platform.query(f"SELECT count(*) FROM {table}") == [(3,)], name
        assert platform.detailed.count("\n") >= 3, name
        platform.refresh()
        assert visible() == without_crash[turn % 2], name
    platform.refresh()
    assert visible() == without_crash[turn % 2]


def test_after_a_lost_connection_a_load_is_done_exactly_once(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.refresh()
    inserted = orders_sql.insert_load
    platform.feed("orders", CHANGED_ORDERS)
    lost: list[Any] = []

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


def test_a_serialization_failure_is_retried_a_limited_number_of_times(
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


def test_an_error_that_no_retry_can_fix_is_not_retried(platform: Platform) -> None:
    tries = 0

    def fail(session: Session) -> None:
        nonlocal tries
        tries += 1
        session.execute(SQL("SELECT * FROM no_such_table"))

    with pytest.raises(psycopg2.Error, match="no_such_table"):
        platform.redshift.run(fail)
    assert tries == 1


def test_two_concurrent_refreshes_have_the_result_of_one(platform: Platform) -> None:
    platform.refresh()
    start, results = threading.Barrier(2), []

    def refresh() -> None:
        # Separate clients and a separate Dagster instance.
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
