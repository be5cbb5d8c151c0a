"""Columns that the contract does not have are skipped and reported, whatever their names."""

import pytest

from aws_orders.contract import ID, ORDERS, PRODUCTS, Column, Table
from aws_orders.orders.delivery_columns import file_columns, stage_columns
from aws_orders.orders.load import load_orders
from aws_orders.products.products_file import read_products
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform

HEADER, *ROWS = ORDERS_CSV.splitlines()
QUARANTINE = {"on_bad_rows": "quarantine", "max_bad_share": 0.9}
SYSTEM = ["xmin", "xmax", "cmin", "cmax", "ctid", "oid", "tableoid", "insertxid", "deletexid"]
LONG = "n" * 63

# By case: the names of unknown columns in the file, and as they are reported.
NAMES: dict[str, tuple[list[str], list[str]]] = {
    "names of 64 to 127 bytes": ([LONG + "a", "é" * 63], [LONG + "a", "é" * 63]),
    "names that differ after 63 bytes": ([LONG + "a", LONG + "b"], [LONG + "a", LONG + "b"]),
    "a name of more than 127 bytes": (["n" * 128, "m" * 20_000], ["n" * 128, "m" * 20_000]),
    "system columns": (SYSTEM, SYSTEM),
    "words of SQL": (["select", "user", "default", "tag"], ["select", "user", "default", "tag"]),
    "names of the stage": (["ignored_8", "ignored_9", "ignored_8 "], ["ignored_8", "ignored_9"]),
    "names of the warehouse": (["load_id", "orders"], ["load_id", "orders"]),
    "no name": ([""], ["(column 8, no name)"]),
    "several without a name": (["", " "], ["(column 8, no name)", "(column 9, no name)"]),
    "names with quotes and commas": (["note", '"a, ""b"""'], ["note", 'a, "b"']),
    "the same name twice": (["note", "Note"], ["note"]),
    "a name with a zero byte": (["no\0te", "%s {x}"], ["no\0te", "%s {x}"]),
    "hundreds": ([f"c{n}" for n in range(900)], [f"c{n}" for n in range(900)]),
    "as many as a table takes": ([""] * 1500, [f"(column {n}, no name)" for n in range(8, 1508)]),
}


@pytest.mark.parametrize("name", NAMES)
def test_unknown_columns_of_a_delivery_are_skipped_and_reported_by_the_files_names(
    platform: Platform, name: str
) -> None:
    names, reported = NAMES[name]
    fields = ",".join(f"v{n}" if n % 3 else "" for n in range(len(names)))
    lines = [",".join([HEADER, *names]), *(f"{row},{fields}" for row in ROWS)]
    platform.deliver("odd.csv", "\n".join(lines) + "\n")
    # The same with the unknown columns first.
    lines = [",".join([*names, HEADER]), *(f"{fields},{row}" for row in ROWS)]
    if not any("no name" in label for label in reported):
        platform.deliver("first.csv", "\n".join(lines) + "\n")
    load = load_orders(platform.redshift, platform.s3, platform.settings, "a-run", "_runs/a-run/")
    assert sorted(load.unknown_columns) == sorted(reported)
    found = platform.query("SELECT DISTINCT order_id, customer_name, total FROM orders ORDER BY 1")
    assert [row[:2] for row in found] == [(1, "Ada Dahl"), (2, "Emre Ito"), (3, "Brandt, Olga")]


@pytest.mark.parametrize("name", NAMES)
def test_unknown_columns_of_the_products_feed_are_skipped(name: str) -> None:
    names, _ = NAMES[name]
    header, *rows = PRODUCTS_CSV.splitlines()
    lines = [",".join([*names, header]), *("," * len(names) + row for row in rows)]
    feed = [f"{line}\n".encode() for line in lines]
    (found,) = read_products(feed, PRODUCTS, "products.csv")
    assert list(found.columns) == list(PRODUCTS.names)
    assert list(found["product_name"]) == ["Kettle", "Tent", "Rug, round"]


@pytest.mark.parametrize(
    ("column", "reported"),
    [("note", "note"), ("xmin", "xmin"), ("", "(column 8, no name)"), ("é" * 99, "é" * 63)],
)
def test_a_row_rejected_for_an_unknown_column_is_reported_with_the_files_name(
    platform: Platform, column: str, reported: str
) -> None:
    platform.set_feeds(orders="")
    bad = f"{HEADER},{column}\n{ROWS[0]},fine\n".encode() + ROWS[1].encode() + b",\xff\n"
    platform.deliver("odd.csv", bad)
    label = column or reported
    assert f"odd.csv, line 3, column {label}: " in platform.fault("refresh_orders")
    platform.refresh("refresh_orders", redshift_orders=QUARANTINE)
    assert platform.query("SELECT line, column_name FROM orders_rejected") == [(3, reported)]
    assert label in platform.read("quarantine/1.csv").splitlines()[1]
    assert platform.query("SELECT order_id FROM orders") == [(1,)]


def test_unknown_columns_are_named_by_their_position() -> None:
    header = ("a", *ORDERS.names, "a", "")
    assert stage_columns(header, ORDERS) == ("ignored_1", *ORDERS.names, "ignored_10", "ignored_11")
    assert file_columns(header)[-2:] == ("a", "(column 11, no name)")


def test_names_of_unknown_columns_never_collide_with_the_contract() -> None:
    table = Table("t", "id", (Column("ignored_2", ID, ""), Column("_ignored_2", ID, "")))
    columns = stage_columns(("ignored_2", "x", "_ignored_2"), table)
    assert len(set(columns)) == 3
    assert columns[1] not in table.names
    assert stage_columns(PRODUCTS.names, PRODUCTS) == PRODUCTS.names
