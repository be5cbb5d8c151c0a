"""Every record of a delivery is loaded or rejected, by a count that is independent of COPY."""

import gzip
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from aws_orders.errors import DataError
from aws_orders.orders import deliveries, record_counts
from aws_orders.orders.ledger import PlanOutdatedError
from aws_orders.orders.load import OrdersLoad, load_orders
from aws_orders.orders.record_counts import check_loaded, check_well_formed, counting
from aws_orders.resources.objects import StoredObject
from aws_orders.resources.redshift.session import Session
from aws_orders.resources.s3 import list_objects
from aws_orders.resources.settings import ORDERS_PREFIX, Settings
from aws_orders.rows.records import RecordCounter, count_records
from aws_orders_tests.conftest import ORDERS_CSV, Platform

HEADER, *ROWS = ORDERS_CSV.splitlines()
QUARANTINE = {"on_bad_rows": "quarantine", "max_bad_share": 0.9}


@pytest.fixture
def warehouse(platform: Platform) -> Platform:
    """Return a platform without an orders feed; products are not needed."""
    platform.set_feeds(orders="")
    return platform


def load(platform: Platform, **options: Any) -> OrdersLoad:
    return load_orders(
        platform.redshift, platform.s3, platform.settings, "a-run", "_runs/a-run/", **options
    )


def counted(text: str) -> RecordCounter:
    return count_records([text.encode()])


def test_the_ledger_has_the_records_of_each_delivery(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", ORDERS_CSV)
    warehouse.deliver("b.csv", f'{HEADER}\r\n4,"A\nb",a@example.org,1,1,1,1\r\n')
    warehouse.deliver("c.csv.gz", gzip.compress(ORDERS_CSV.removesuffix("\n").encode()))
    warehouse.deliver("d.csv", HEADER)
    load(warehouse)
    found = warehouse.query("SELECT delivery, records FROM orders_loads ORDER BY 1")
    assert [records for _, records in found] == [3, 1, 3, 0]


def test_rejected_rows_are_records_too(warehouse: Platform) -> None:
    warehouse.deliver("bad.csv", ORDERS_CSV + "4,A,a@example.org,1,much,1,1\n\n")
    found = warehouse.checks("refresh_orders", redshift_orders=QUARANTINE)
    assert found["every_record_is_accounted_for"].passed
    assert warehouse.query("SELECT records, load_rows FROM orders_loads") == [(5, 3)]


@pytest.mark.parametrize(
    "rows",
    [
        [*ROWS, '4,A,a@example.org,1,1,1,1,27" wide', '5,A,a@example.org,1,1,1,1,24" wide'],
        [*ROWS, '4,A,a@example.org,1,1,1,1,"a" b'],
        [*ROWS, '4,A,a@example.org,1,1,1,1,"open'],
    ],
)
def test_a_row_that_is_not_csv_fails_the_load_with_its_place(
    warehouse: Platform, rows: list[str]
) -> None:
    lines = [f"{HEADER},note", *(f"{row},x" for row in ROWS), *rows[3:]]
    warehouse.deliver("earlier.csv", ORDERS_CSV)
    load(warehouse)
    warehouse.deliver("odd.csv", "\n".join(lines) + "\n")
    with pytest.raises(DataError) as raised:
        load(warehouse)
    assert f"s3://{warehouse.bucket}/input/orders/odd.csv, line 5" in str(raised.value)
    assert warehouse.query("SELECT count(*) FROM orders") == [(3,)]
    assert warehouse.query("SELECT count(*) FROM orders_loads") == [(1,)]


@pytest.mark.parametrize("max_bad_share", [0, 0.9])
@pytest.mark.parametrize(
    "row", ['4,A "a" b,a@example.org,1,1,1,1', '4,"A" b,a@example.org,1,1,1,1']
)
def test_a_row_that_is_not_csv_fails_the_load_even_if_copy_accepts_it(
    warehouse: Platform, monkeypatch: pytest.MonkeyPatch, row: str, max_bad_share: float
) -> None:
    warehouse.deliver("odd.csv", f"{ORDERS_CSV}{row}\n")
    monkeypatch.setattr(Session, "copy", lambda *_: 4)  # as many rows as the file has
    with pytest.raises(DataError, match="1 row is not valid CSV") as raised:
        load(warehouse, max_bad_share=max_bad_share)
    assert raised.value.where == f"s3://{warehouse.bucket}/input/orders/odd.csv, line 5"
    assert "quarantine" not in raised.value.fix  # it needs COPY to reject the row
    assert warehouse.query("SELECT * FROM orders_loads") == []
    assert warehouse.query("SELECT * FROM orders") == []


def test_a_row_that_is_not_csv_is_quarantined_if_copy_rejects_it(warehouse: Platform) -> None:
    warehouse.deliver("odd.csv", f'{ORDERS_CSV}4,A,a@example.org,1,1,1,"1" x\n')
    assert load(warehouse, max_bad_share=0.9).rows == 3
    assert warehouse.query("SELECT line FROM orders_rejected") == [(5,)]


@pytest.mark.parametrize("max_bad_share", [0, 0.9])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_copy_that_loads_more_or_fewer_rows_than_were_counted_fails_the_load(
    warehouse: Platform, monkeypatch: pytest.MonkeyPatch, change: int, max_bad_share: float
) -> None:
    uris = deliveries.copy_manifest

    def another(found: Iterator[str]) -> bytes:
        first, *rest = found
        return uris(rest if change < 0 else [first, first, *rest])

    monkeypatch.setattr(deliveries, "copy_manifest", another)
    warehouse.deliver("a.csv", ORDERS_CSV)
    warehouse.deliver("b.csv", f"{HEADER}\n{ROWS[0]}\n")
    with pytest.raises(DataError, match="a different number of rows") as raised:
        load(warehouse, max_bad_share=max_bad_share)
    a, b = (f"s3://{warehouse.bucket}/input/orders/{name}.csv" for name in "ab")
    assert raised.value.where == f"{a}, {b}"
    assert raised.value.expected == f"4 rows ({a}: 3, {b}: 1)"
    assert raised.value.found == f"{4 + 3 * change} loaded and 0 rejected"
    assert warehouse.query("SELECT * FROM orders_loads") == []
    assert warehouse.query("SELECT * FROM orders") == []


def test_a_delivery_replaced_while_it_is_counted_is_loaded_again(
    warehouse: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.deliver("a.csv", ORDERS_CSV)
    copy, copied = Session.copy, []

    def replace_before(session: Session, statement: Any) -> int:
        copied.append(statement)
        if len(copied) == 1:
            warehouse.deliver("a.csv", f"{HEADER}\n{ROWS[0]}\n")
        return copy(session, statement)

    monkeypatch.setattr(Session, "copy", replace_before)
    assert load(warehouse).rows == 1
    assert len(copied) == 2
    assert warehouse.query("SELECT records FROM orders_loads") == [(1,)]


@pytest.mark.parametrize("deleted", [True, False])
def test_only_the_version_that_was_listed_is_counted(warehouse: Platform, deleted: bool) -> None:
    warehouse.deliver("a.csv", ORDERS_CSV)
    listed = list(list_objects(warehouse.s3, warehouse.bucket, ORDERS_PREFIX))
    with counting(warehouse.s3, warehouse.settings, listed) as counts:
        assert counts()["input/orders/a.csv"].records == 3
    if deleted:
        warehouse.s3.delete_object(Bucket=warehouse.bucket, Key="input/orders/a.csv")
    else:
        warehouse.deliver("a.csv", ORDERS_CSV + ROWS[0])
    with (
        counting(warehouse.s3, warehouse.settings, listed) as counts,
        pytest.raises(PlanOutdatedError, match=r"a\.csv was replaced or deleted"),
    ):
        counts()


def test_a_load_that_fails_does_not_wait_for_the_rest_to_be_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started, pieces = threading.Event(), []

    def endless(*_: Any) -> Iterator[bytes]:
        while True:
            pieces.append(1)
            started.set()
            yield b"1,2\n"

    monkeypatch.setattr(record_counts, "read_chunks", endless)
    stored = StoredObject("k", "e", 1, None)  # type: ignore[arg-type]
    settings = Settings(bucket="b", products_table="t", products_feed="f")
    with counting(None, settings, [stored]):  # type: ignore[arg-type]
        started.wait(20)
    assert pieces
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]


def test_an_error_names_the_first_malformed_rows_with_the_files_columns() -> None:
    settings = Settings(bucket="b", products_table="t", products_feed="f")
    counts = {
        "a.csv": counted('id,,note\n1,2,3\n1,a"b,3\n'),
        "b.csv": counted('id,,note\n"1"x,2,3\n' + '1,2,3,"4"x\n' * 20),
    }
    with pytest.raises(DataError) as raised:
        check_well_formed(counts, 21, ("id", "", "note"), settings)
    lines = raised.value.found.splitlines()
    assert raised.value.what.startswith("22 rows are not valid CSV.")
    assert raised.value.where == "s3://b/a.csv, line 3"
    assert lines[0].startswith("s3://b/a.csv, line 3, column (column 2, no name): ")
    assert lines[1].strip().startswith("s3://b/b.csv, line 2, column id: ")
    assert lines[2].strip().startswith("s3://b/b.csv, line 3, column ?: ")
    assert len(lines) == 10
    check_well_formed(counts, 22, ("id", "", "note"), settings)
    check_loaded(counts, 1, 22, settings)


def test_an_error_about_many_deliveries_names_the_first_and_how_many_more() -> None:
    settings = Settings(bucket="b", products_table="t", products_feed="f")
    counts = {f"{n:02}.csv": counted("id\n1\n") for n in range(12)}
    with pytest.raises(DataError) as raised:
        check_loaded(counts, 11, 0, settings)
    assert raised.value.where.endswith("s3://b/09.csv, and 2 more")
    assert raised.value.expected.startswith("12 rows (s3://b/00.csv: 1, ")


# --- The check ----------------------------------------------------------------------------------


def test_the_check_finds_a_record_that_is_in_no_table(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", ORDERS_CSV)
    load(warehouse)
    warehouse.query("UPDATE orders_loads SET records = 5")
    check = warehouse.check("redshift_orders")["every_record_is_accounted_for"]
    assert (check.passed, check.metadata["violations"].value) == (False, 2)
    assert "| 1 | 1 | 5 | 0 | 3 | 3 |" in str(check.metadata["examples"].value)


def test_faults_of_two_loads_do_not_cancel_each_other_out(warehouse: Platform) -> None:
    warehouse.deliver("a.csv", ORDERS_CSV)
    load(warehouse)
    warehouse.deliver("b.csv", ORDERS_CSV)
    load(warehouse)
    warehouse.query("UPDATE orders SET load_id = 2 WHERE order_id = 1")
    check = warehouse.check("redshift_orders")["every_record_is_accounted_for"]
    assert (check.passed, check.metadata["violations"].value) == (False, 2)


def test_deliveries_that_an_earlier_version_loaded_are_reported_until_a_full_refresh(
    warehouse: Platform,
) -> None:
    warehouse.deliver("a.csv", ORDERS_CSV)
    load(warehouse)
    warehouse.query("UPDATE orders_loads SET records = NULL")
    check = warehouse.check("redshift_orders")["every_record_is_accounted_for"]
    assert (check.passed, check.metadata["deliveries_not_counted"].value) == (True, 1)
    assert "1 delivery has no independent count" in (check.description or "")
    load(warehouse, full_refresh=True)
    check = warehouse.check("redshift_orders")["every_record_is_accounted_for"]
    assert check.metadata["deliveries_not_counted"].value == 0
