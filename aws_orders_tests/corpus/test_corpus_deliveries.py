"""Every broken delivery of the corpus: what loads, what is set apart, who speaks, what is said.

Each meets a warehouse that holds another delivery already, which must come through unharmed.
"""

import csv
import io
from collections.abc import Sequence
from typing import Any

import pytest

from aws_orders.contract import PRODUCTS
from aws_orders.errors import DataError
from aws_orders.orders.load import load_orders
from aws_orders.output.checks import examine_orders
from aws_orders.resources.redshift import statements
from aws_orders_tests.conftest import Platform
from aws_orders_tests.corpus.faulty_rows import FAULTY_ROWS, Apart
from aws_orders_tests.corpus.odd_files import DOUBTFUL_ORDERS, ODD_GZIP, ODD_TEXT
from aws_orders_tests.corpus.orders_file import ADA, ADDRESSES, HEADER, bo, orders
from aws_orders_tests.corpus.refused_files import FAULTY_GZIP, FAULTY_HEADERS, OTHER_THINGS

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
    """Return a platform with a product and an earlier delivery, both loaded, and no feed."""
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
    """Return the orders in the warehouse as lines of text, but for the earlier delivery's."""
    lines = [line for (line,) in platform.query(ROWS)]
    lines.remove(EARLIER)
    return lines


def state(platform: Platform) -> tuple[list[Any], list[str]]:
    """Return all that a refused delivery must leave as it is."""
    listed = platform.keys()
    others = [key for key in listed if not key.startswith(("_runs/", "input/"))]
    return platform.query(STATE), others


def speaking(platform: Platform) -> set[str]:
    """Return the names of the checks that do not pass."""
    found = examine_orders(platform.settings, platform.redshift)
    return {str(check.check_name) for check in found if not check.passed}


def set_apart(platform: Platform) -> list[dict[str, str]]:
    """Return the rows of the broken delivery's load that are in the quarantine."""
    text = io.StringIO(platform.read("quarantine/2.csv"), newline="")
    return list(csv.DictReader(text))


REFUSED = {
    **{name: ("broken.csv", *fault) for name, fault in (FAULTY_HEADERS | OTHER_THINGS).items()},
    **{name: ("broken.csv.gz", *fault) for name, fault in FAULTY_GZIP.items()},
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_delivery_that_cannot_be_read_is_refused_by_name_and_changes_nothing(
    warehouse: Platform, name: str
) -> None:
    key, content, words = REFUSED[name]
    before = state(warehouse)
    warehouse.deliver(key, content)
    with pytest.raises(DataError) as refusal:
        load(warehouse)
    result = warehouse.materialize("refresh_orders", redshift_orders=QUARANTINE)
    for told in (str(refusal.value), warehouse.failure(result)):
        assert [word for word in [f"input/orders/{key}", *words] if word not in told] == []
    assert state(warehouse) == before
    logged = "".join(map(str, result.all_events))
    assert [address for address in ADDRESSES if address in logged] == []


@pytest.mark.parametrize("name", FAULTY_ROWS)
def test_a_row_that_cannot_be_loaded_fails_the_load_or_is_set_apart_with_place_and_reason(
    warehouse: Platform, name: str
) -> None:
    content, faults, loaded = FAULTY_ROWS[name]
    before = state(warehouse)
    warehouse.deliver("broken.csv", content)
    with pytest.raises(DataError) as refusal:
        load(warehouse)
    _assert_told(str(refusal.value), warehouse, faults)
    assert state(warehouse) == before

    load(warehouse, max_bad_share=0.9)
    assert rows(warehouse) == sorted(loaded)
    kept = set_apart(warehouse)
    assert {row["delivery"] for row in kept} == {"input/orders/broken.csv"}
    assert [(int(row["line"]), row["column"], row["value"]) for row in kept] == [
        (fault.line, fault.column, fault.value) for fault in faults
    ]
    for row, fault in zip(kept, faults, strict=True):
        assert fault.reason in row["reason"]
        # What an open quote swallows may be kept in part: nobody can hold all of a long file.
        assert row["row"][:ROW_LETTERS] == _text(fault, content)[:ROW_LETTERS]


def _assert_told(told: str, platform: Platform, faults: Sequence[Apart]) -> None:
    """Assert that a message says where each fault is, what to do, and nobody's address."""
    assert "on_bad_rows: quarantine" in told
    for fault in faults:
        place = f"s3://{platform.bucket}/input/orders/broken.csv, line {fault.line}, column "
        assert f"{place}{fault.column}: " in told
        if fault.column and fault.column != "note" and not fault.column.startswith("customer_"):
            shown = "b***@example.org" if "@" in fault.value else fault.value
            assert f"column {fault.column}: {shown!r} ({fault.reason}" in told
    assert [address for address in ADDRESSES if address in told] == []


def _text(fault: Apart, content: str | bytes) -> str:
    """Return what the quarantine must keep of the row, which may go on to the file's end."""
    if fault.row is not None:
        return fault.row
    lines = (content if isinstance(content, str) else content.decode()).split("\n")
    last = len(lines) if fault.reason.startswith("Invalid quote") else fault.line
    return "\n".join(lines[fault.line - 1 : last]).rstrip("\n")


@pytest.mark.parametrize("name", [*ODD_TEXT, *ODD_GZIP])
def test_what_is_only_odd_loads_and_no_check_speaks(warehouse: Platform, name: str) -> None:
    content, loaded = (ODD_TEXT | ODD_GZIP)[name]
    warehouse.deliver("odd.csv.gz" if name in ODD_GZIP else "odd.csv", content)
    load(warehouse)
    assert rows(warehouse) == sorted(loaded)
    assert speaking(warehouse) == set()


@pytest.mark.parametrize("name", DOUBTFUL_ORDERS)
def test_a_doubtful_order_is_loaded_and_the_checks_on_it_speak(
    warehouse: Platform, name: str
) -> None:
    line, checks = DOUBTFUL_ORDERS[name]
    warehouse.deliver("doubtful.csv", orders(line))
    load(warehouse)
    assert rows(warehouse) == sorted([ADA, line])
    assert speaking(warehouse) == checks


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
    with pytest.raises(DataError) as refusal:
        load(warehouse)
    assert f"input/orders/{key}, line 3, column price: 'much'" in str(refusal.value)
    load(warehouse, max_bad_share=0.9)
    assert rows(warehouse) == [ADA]
    assert [row["delivery"] for row in set_apart(warehouse)] == [f"input/orders/{key}"]


NO_DELIVERIES: dict[str, tuple[str, str | bytes]] = {
    "empty object": ("empty.csv", b""),
    "folder's marker": ("may/", b""),
    "folder that is called .csv": ("may.csv/", b""),
    "backup copy": ("earlier.csv.bak", orders(bo())),
    "editor's leavings": ("earlier.csv~", orders(bo())),
    "upload under way": ("orders.csv.part", orders(bo())),
    "text file": ("orders.txt", orders(bo())),
    "zip archive": ("orders.csv.zip", b"PK\x03\x04"),
    "read-me": ("README", "Orders go here.\n"),
}


def test_what_is_no_delivery_is_counted_and_left_alone(warehouse: Platform) -> None:
    for key, content in NO_DELIVERIES.values():
        warehouse.deliver(key, content)
    report = warehouse.refresh("refresh_orders")
    assert report["s3_orders"]["deliveries"] == 1
    assert report["s3_orders"]["other objects"] == len(NO_DELIVERIES)
    assert rows(warehouse) == []


def test_one_file_under_two_keys_loads_twice_and_the_check_says_so(warehouse: Platform) -> None:
    for key in ("a.csv", "b.csv"):
        warehouse.deliver(key, orders(bo()))
    load(warehouse)
    assert rows(warehouse) == sorted([ADA, bo()] * 2)
    assert speaking(warehouse) == {"order_ids_are_unique"}


def test_a_header_without_rows_loads_nothing_and_harms_nothing(warehouse: Platform) -> None:
    warehouse.deliver("broken.csv", HEADER)
    load(warehouse)
    assert rows(warehouse) == []
    assert speaking(warehouse) == set()
    assert len(warehouse.query("SELECT * FROM orders_loads")) == 2


def test_all_of_the_corpus_at_once_publishes_every_good_row_and_sets_apart_every_other(
    warehouse: Platform,
) -> None:
    met = set(FAULTY_ROWS)
    for number, name in enumerate(sorted(met)):
        warehouse.deliver(f"{number}.csv", FAULTY_ROWS[name][0])
    found = warehouse.checks("refresh_orders", redshift_orders=QUARANTINE)
    faults = sum(len(FAULTY_ROWS[name][1]) for name in met)
    good = [line for name in met for line in FAULTY_ROWS[name][2]]
    failed = {name for name, check in found.items() if not check.passed}
    # Ada's order comes with every file.
    assert failed == {"no_rows_are_quarantined", "order_ids_are_unique"}
    assert found["no_rows_are_quarantined"].metadata["violations"].value == faults
    assert rows(warehouse) == sorted(good)
    assert warehouse.detailed.count("\n") == len(good) + 2
