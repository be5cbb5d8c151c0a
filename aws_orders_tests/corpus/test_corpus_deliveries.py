"""Every faulty delivery of the corpus: rows loaded and rejected, failed checks, and errors.

Each is loaded into a warehouse that has another delivery, whose rows must not change.
"""

import csv
import io
from collections.abc import Sequence
from typing import Any

import pytest

from aws_orders.contract import PRODUCTS
from aws_orders.errors import DataError
from aws_orders.orders.load import load_orders
from aws_orders.output.checks import check_orders
from aws_orders.resources.redshift import statements
from aws_orders_tests.conftest import Platform
from aws_orders_tests.corpus.faulty_rows import FAULTY_ROWS, Rejected
from aws_orders_tests.corpus.odd_files import DOUBTFUL_ORDERS, ODD_GZIP, ODD_TEXT
from aws_orders_tests.corpus.orders_file import ADA, ADDRESSES, HEADER, bo, orders
from aws_orders_tests.corpus.rejected_files import FAULTY_GZIP, FAULTY_HEADERS, OTHER_THINGS

QUARANTINE = {"on_bad_rows": "quarantine", "max_bad_share": 0.9}
ROW_LETTERS = 60_000
EARLIER = "900,Eva,eva@example.org,1,1.00,1,1.00"
STATE = """
    SELECT orders::text FROM orders UNION ALL SELECT orders_loads::text FROM orders_loads
    UNION ALL SELECT orders_rejected::text FROM orders_rejected ORDER BY 1
"""
ROWS = """
    SELECT concat_ws(',', order_id, coalesce(customer_name, ''), coalesce(customer_email, ''),
                     coalesce(product_id::text, ''), coalesce(price::text, ''),
                     coalesce(quantity::text, ''), coalesce(total::text, ''), order_date)
    FROM orders ORDER BY 1
"""


@pytest.fixture
def warehouse(platform: Platform) -> Platform:
    """Return a platform with a loaded product, a loaded delivery, and no orders feed."""
    platform.set_feeds(orders="")
    create = statements.create_table(platform.redshift.schema_name, PRODUCTS)
    platform.redshift.run(lambda session: session.execute(create))
    platform.query("INSERT INTO products (product_id, product_name) VALUES (1, 'Kettle')")
    platform.deliver("earlier.csv", f"{HEADER}\n{EARLIER}\n")
    load(platform)
    return platform


def load(platform: Platform, max_bad_share: float = 0) -> None:
    load_orders(
        platform.redshift,
        platform.s3,
        platform.settings,
        "a-run",
        "_runs/a-run/",
        max_bad_share=max_bad_share,
    )


def rows(platform: Platform) -> list[str]:
    """Return the orders as lines of text, without the earlier delivery's."""
    lines = [line for (line,) in platform.query(ROWS)]
    lines.remove(EARLIER)
    return lines


def state(platform: Platform) -> tuple[list[Any], list[str]]:
    """Return all that a rejected delivery must not change."""
    listed = platform.keys()
    others = [key for key in listed if not key.startswith(("_runs/", "input/"))]
    return platform.query(STATE), others


def failed_checks(platform: Platform) -> set[str]:
    """Return the names of the checks that fail."""
    found = check_orders(platform.settings, platform.redshift)
    return {str(check.check_name) for check in found if not check.passed}


def quarantined(platform: Platform) -> list[dict[str, str]]:
    """Return the rows of the broken delivery's load that are in the quarantine."""
    text = io.StringIO(platform.read("quarantine/2.csv"), newline="")
    return list(csv.DictReader(text))


REJECTED = {
    **{name: ("broken.csv", *fault) for name, fault in (FAULTY_HEADERS | OTHER_THINGS).items()},
    **{name: ("broken.csv.gz", *fault) for name, fault in FAULTY_GZIP.items()},
}


@pytest.mark.parametrize("name", REJECTED)
def test_a_delivery_that_cannot_be_read_is_rejected_by_name_and_changes_nothing(
    warehouse: Platform, name: str
) -> None:
    key, content, words = REJECTED[name]
    before = state(warehouse)
    warehouse.deliver(key, content)
    with pytest.raises(DataError) as raised:
        load(warehouse)
    result = warehouse.materialize("refresh_orders", redshift_orders=QUARANTINE)
    for error in (str(raised.value), warehouse.failure(result)):
        assert [word for word in [f"input/orders/{key}", *words] if word not in error] == []
    assert state(warehouse) == before
    logged = "".join(map(str, result.all_events))
    assert [address for address in ADDRESSES if address in logged] == []


@pytest.mark.parametrize("name", FAULTY_ROWS)
def test_a_row_that_cannot_be_loaded_fails_the_load_or_is_quarantined_with_place_and_reason(
    warehouse: Platform, name: str
) -> None:
    content, faults, loaded = FAULTY_ROWS[name]
    before = state(warehouse)
    warehouse.deliver("broken.csv", content)
    with pytest.raises(DataError) as raised:
        load(warehouse)
    _assert_reported(str(raised.value), warehouse, faults)
    assert state(warehouse) == before

    load(warehouse, max_bad_share=0.9)
    assert rows(warehouse) == sorted(loaded)
    kept = quarantined(warehouse)
    assert {row["delivery"] for row in kept} == {"input/orders/broken.csv"}
    assert [(int(row["line"]), row["column"], row["value"]) for row in kept] == [
        (fault.line, fault.column, fault.value) for fault in faults
    ]
    for row, fault in zip(kept, faults, strict=True):
        assert fault.reason in row["reason"]
        # The quarantine keeps only the start of what an open quote swallows.
        assert row["row"][:ROW_LETTERS] == _text(fault, content)[:ROW_LETTERS]


def _assert_reported(error: str, platform: Platform, faults: Sequence[Rejected]) -> None:
    """Assert that an error names each fault's place and the fix, but no e-mail address."""
    assert "on_bad_rows: quarantine" in error
    for fault in faults:
        place = f"s3://{platform.bucket}/input/orders/broken.csv, line {fault.line}, column "
        assert f"{place}{fault.column}: " in error
        if fault.column and fault.column != "note" and not fault.column.startswith("customer_"):
            shown = "b***@example.org" if "@" in fault.value else fault.value
            assert f"column {fault.column}: {shown!r} ({fault.reason}" in error
    assert [address for address in ADDRESSES if address in error] == []


def _text(fault: Rejected, content: str | bytes) -> str:
    """Return the row's text in the quarantine, which may extend to the end of the file."""
    if fault.row is not None:
        return fault.row
    lines = (content if isinstance(content, str) else content.decode()).split("\n")
    last = len(lines) if fault.reason.startswith("Invalid quote") else fault.line
    return "\n".join(lines[fault.line - 1 : last]).rstrip("\n")


@pytest.mark.parametrize("name", [*ODD_TEXT, *ODD_GZIP])
def test_an_odd_file_loads_and_no_check_fails(warehouse: Platform, name: str) -> None:
    content, loaded = (ODD_TEXT | ODD_GZIP)[name]
    warehouse.deliver("odd.csv.gz" if name in ODD_GZIP else "odd.csv", content)
    load(warehouse)
    assert rows(warehouse) == sorted(loaded)
    assert failed_checks(warehouse) == set()


@pytest.mark.parametrize("name", DOUBTFUL_ORDERS)
def test_a_doubtful_order_is_loaded_and_its_checks_fail(warehouse: Platform, name: str) -> None:
    line, checks = DOUBTFUL_ORDERS[name]
    warehouse.deliver("doubtful.csv", orders(line))
    load(warehouse)
    assert rows(warehouse) == sorted([ADA, line])
    assert failed_checks(warehouse) == checks


ODD_KEYS = [
    "orders of may.csv",
    "2026/05/31/orders.csv",
    "Bestellungen größer.csv",
    "don't.csv",
    'so-called "orders".csv',
    "50%25+more.csv",
    "a&b=c?d#e.csv",
    "back\\slash.csv",
    "注文 🙂.csv",
]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_delivery_under_an_odd_key_loads_and_its_faulty_row_is_placed(
    warehouse: Platform, key: str
) -> None:
    warehouse.deliver(key, orders(bo(price="much")))
    with pytest.raises(DataError) as raised:
        load(warehouse)
    assert f"input/orders/{key}, line 3, column price: 'much'" in str(raised.value)
    load(warehouse, max_bad_share=0.9)
    assert rows(warehouse) == [ADA]
    assert [row["delivery"] for row in quarantined(warehouse)] == [f"input/orders/{key}"]


NO_DELIVERIES: dict[str, tuple[str, str | bytes]] = {
    "empty object": ("empty.csv", b""),
    "folder's marker": ("may/", b""),
    "folder that is called .csv": ("may.csv/", b""),
    "backup copy": ("earlier.csv.bak", orders(bo())),
    "editor's backup": ("earlier.csv~", orders(bo())),
    "unfinished upload": ("orders.csv.part", orders(bo())),
    "text file": ("orders.txt", orders(bo())),
    "zip archive": ("orders.csv.zip", b"PK\x03\x04"),
    "read-me": ("README", "Orders go here.\n"),
}


def test_other_objects_are_counted_and_not_loaded(warehouse: Platform) -> None:
    for key, content in NO_DELIVERIES.values():
        warehouse.deliver(key, content)
    report = warehouse.refresh("refresh_orders")
    assert report["s3_orders"]["deliveries"] == 1
    assert report["s3_orders"]["other_objects"] == len(NO_DELIVERIES)
    assert rows(warehouse) == []


def test_one_file_under_two_keys_loads_twice_and_the_check_fails(warehouse: Platform) -> None:
    for key in ("a.csv", "b.csv"):
        warehouse.deliver(key, orders(bo()))
    load(warehouse)
    assert rows(warehouse) == sorted([ADA, bo()] * 2)
    assert failed_checks(warehouse) == {"order_ids_are_unique"}


def test_a_header_without_rows_loads_nothing(warehouse: Platform) -> None:
    warehouse.deliver("broken.csv", HEADER)
    load(warehouse)
    assert rows(warehouse) == []
    assert failed_checks(warehouse) == set()
    assert len(warehouse.query("SELECT * FROM orders_loads")) == 2


def test_the_whole_corpus_at_once_publishes_all_good_rows_and_quarantines_all_others(
    warehouse: Platform,
) -> None:
    names = set(FAULTY_ROWS)
    for number, name in enumerate(sorted(names)):
        warehouse.deliver(f"{number}.csv", FAULTY_ROWS[name][0])
    found = warehouse.checks("refresh_orders", redshift_orders=QUARANTINE)
    faults = sum(len(FAULTY_ROWS[name][1]) for name in names)
    good = [line for name in names for line in FAULTY_ROWS[name][2]]
    failed = {name for name, check in found.items() if not check.passed}
    # Every file has Ada's order.
    assert failed == {"no_rows_are_quarantined", "order_ids_are_unique"}
    assert found["no_rows_are_quarantined"].metadata["violations"].value == faults
    assert rows(warehouse) == sorted(good)
    assert warehouse.detailed.count("\n") == len(good) + 2
