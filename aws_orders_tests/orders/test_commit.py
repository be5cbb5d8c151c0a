"""Loads of several runs at once, and deliveries that change during a load."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aws_orders.orders.load import OrdersLoad, load_orders
from aws_orders.resources.redshift import statements
from aws_orders_tests.conftest import Platform
from aws_orders_tests.orders.test_load import HEADER, delivery, orders


def during_the_copy(monkeypatch: pytest.MonkeyPatch, event: Callable[[], object]) -> None:
    """Call `event` between the plan of the next load and its first COPY."""
    copied = statements.copy_deliveries
    happened: list[bool] = []

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


def test_a_load_that_another_run_overtook_is_planned_again(
    warehouse: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.deliver("a.csv", delivery(1))
    during_the_copy(monkeypatch, lambda: load_as(warehouse, "other"))
    assert load_as(warehouse, "this").loaded == 0
    assert orders(warehouse) == [(1, "A")]
    assert warehouse.query("SELECT run_id FROM orders_loads") == [("other",)]


def test_a_file_redelivered_during_its_load_is_recorded_as_it_was_loaded(
    warehouse: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.deliver("a.csv", delivery(1, name="Old"))
    during_the_copy(monkeypatch, lambda: warehouse.deliver("a.csv", delivery(1, name="New")))
    load_as(warehouse, "1")
    assert orders(warehouse) == [(1, "New")]
    warehouse.deliver("a.csv", delivery(1, name="Old"))
    load_as(warehouse, "2")
    assert orders(warehouse) == [(1, "Old")]


def test_columns_swapped_during_a_load_are_loaded_correctly_even_if_the_file_is_then_deleted(
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


def test_a_plan_is_outdated_even_if_load_ids_have_restarted(
    warehouse: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.deliver("a.csv", delivery(1))
    load_as(warehouse, "1")
    warehouse.deliver("a.csv", delivery(1, name="New"))
    place = {"Bucket": warehouse.bucket, "Key": "input/orders/a.csv"}

    def delete_and_restore_everything() -> None:
        body = warehouse.s3.get_object(**place)["Body"].read()
        warehouse.s3.delete_object(**place)
        load_as(warehouse, "empty", full_refresh=True)
        warehouse.deliver("b.csv", delivery(2))
        load_as(warehouse, "b")
        warehouse.s3.delete_object(Bucket=warehouse.bucket, Key="input/orders/b.csv")
        warehouse.s3.put_object(**place, Body=body)

    during_the_copy(monkeypatch, delete_and_restore_everything)
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
