"""Bad input: the error names the fault, and nothing changes."""

import socket

import pytest

from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform

HEADER = ORDERS_CSV.splitlines()[0]
PRODUCTS_HEADER = PRODUCTS_CSV.splitlines()[0]

BAD_PRODUCTS = {
    "empty file": ("", ["no column names"]),
    "header only": (PRODUCTS_HEADER + "\n", ["a header but no rows"]),
    "wrong encoding": (
        f"{PRODUCTS_HEADER}\n1,Café,a,b\n".encode("latin-1"),
        ["line 2", "not UTF-8", "\\xe9"],
    ),
    "UTF-16": (PRODUCTS_CSV.encode("utf-16"), ["line 1", "0xff"]),
    "duplicate id": (
        PRODUCTS_CSV + "02,Again,a,b\n",
        ["line 5, column product_id", "2, already on line 3"],
    ),
    "id that is not a number": (
        PRODUCTS_CSV + "x7,Lamp,a,b\n",
        ["line 5, column product_id", "'x7' is not a whole number"],
    ),
    "id beyond BIGINT": (
        PRODUCTS_CSV + f"{10**19},Lamp,a,b\n",
        ["line 5", "to 9223372036854775807"],
    ),
    "no name": (PRODUCTS_CSV + "7,,a,b\n", ["line 5, column product_name: '' is empty"]),
    "name too long in bytes": (
        PRODUCTS_CSV + f"7,{'é' * 257},a,b\n",
        ["line 5, column product_name", "more than 512 bytes"],
    ),
    "NUL character": (PRODUCTS_CSV + "7,a\0b,a,b\n", ["line 5", "NUL"]),
    "missing column": (
        "product_id,product_name,brand\n1,a,b\n",
        ["lacks product_category", "expected: product_id, product_name, product_category, brand"],
    ),
    "semicolons": (
        PRODUCTS_CSV.replace(",", ";"),
        ["lacks product_id", "found:    product_id;product_name;product_category;brand"],
    ),
    "row too short": (PRODUCTS_CSV + "7,Lamp\n", ["line 5", "4 fields", "['7', 'Lamp']"]),
    "row too long": (PRODUCTS_CSV + "7,Lamp,a,b,c\n", ["line 5", "5 fields"]),
    "open quote": (PRODUCTS_CSV + '7,"Lamp,a,b\n', ["line 5", "CSV"]),
    "column twice": ("product_id," + PRODUCTS_CSV, ["product_id more than once"]),
}


@pytest.mark.parametrize(("feed", "words"), BAD_PRODUCTS.values(), ids=BAD_PRODUCTS)
def test_a_bad_products_feed_is_rejected_and_the_last_good_one_stays(
    platform: Platform, feed: str | bytes, words: list[str]
) -> None:
    platform.refresh("refresh_products")
    before = platform.read("raw/products.csv"), platform.items()
    platform.feed("products", feed)
    error = platform.fault("refresh_products")
    for word in [platform.settings.products_feed, *words]:
        assert word in error
    assert (platform.read("raw/products.csv"), platform.items()) == before


BAD_ORDERS = {
    "empty file": ("", ["no column names"]),
    "header only": (HEADER + "\n", ["a header but no rows"]),
    "missing column": (
        "order_id,customer_name,customer_email,product_id,price,total\n1,a,b,2,3,4\n",
        ["lacks quantity", "found:    order_id, customer_name, customer_email, product_id, price"],
    ),
    "UTF-16": (ORDERS_CSV.encode("utf-16"), ["line 1", "0xff"]),
    "column twice": ("price," + ORDERS_CSV, ["price more than once"]),
    "not a table": (b"\x00" * 100_000, ["more than 65536 bytes"]),
}


@pytest.mark.parametrize(("feed", "words"), BAD_ORDERS.values(), ids=BAD_ORDERS)
def test_a_bad_orders_feed_is_rejected_and_the_last_good_one_stays(
    platform: Platform, feed: str | bytes, words: list[str]
) -> None:
    platform.refresh()
    platform.feed("orders", feed)
    error = platform.fault("refresh_orders")
    for word in [platform.settings.orders_feed, *words]:
        assert word in error
    assert platform.read("input/orders/feed.csv") == ORDERS_CSV


BAD_ROWS = {
    "price that is not a number": (
        "4,Juno,j@example.org,1,cheap,1,1\n",
        ["line 5, column price: 'cheap'"],
    ),
    "quantity that is not a number": ("4,J,j@example.org,1,1,two,1\n", ["column quantity: 'two'"]),
    "quantity with a fraction": ("4,J,j@example.org,1,1,1.5,1\n", ["column quantity: '1.5'"]),
    "no order_id": (",J,j@example.org,1,1,1,1\n", ["line 5, column order_id"]),
    "price too large": ("4,J,j@example.org,1,12345678901.00,1,1\n", ["column price: '12345678901"]),
    "row too short": ("4,J,j@example.org\n", ["line 5"]),
    "row too long": ("4,J,j@example.org,1,1,1,1,1\n", ["line 5"]),
    "name too long": (f"4,{'x' * 513},j@example.org,1,1,1,1\n", ["column customer_name"]),
}


@pytest.mark.parametrize(("row", "words"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_fails_the_load_with_its_place_and_value_and_changes_nothing(
    platform: Platform, row: str, words: list[str]
) -> None:
    platform.refresh()
    before = platform.query("SELECT * FROM orders ORDER BY order_id"), platform.detailed
    platform.deliver("more.csv", f"{HEADER}\n8,A,a@example.org,1,1,1,1\n")
    platform.deliver("worst.csv", ORDERS_CSV + row)
    error = platform.fault("refresh_orders")
    for word in [f"s3://{platform.bucket}/input/orders/worst.csv", *words]:
        assert word in error
    after = platform.query("SELECT * FROM orders ORDER BY order_id"), platform.detailed
    assert after == before


def test_personal_data_does_not_get_into_an_error(platform: Platform) -> None:
    platform.feed("orders", ORDERS_CSV + f"4,J,{'secret' * 99}@example.org,1,1,1,1\n")
    error = platform.fault()
    assert "column customer_email: (personal data)" in error
    assert "secret" not in error


def test_a_wrongly_encoded_row_fails_the_load_with_its_place(platform: Platform) -> None:
    platform.deliver("latin.csv", f"{HEADER}\n4,José,j@example.org,1,1,1,1\n".encode("latin-1"))
    error = platform.fault("refresh_orders")
    assert "latin.csv, line 2" in error


def test_the_next_run_succeeds_after_a_bad_delivery_is_deleted(platform: Platform) -> None:
    platform.deliver("bad.csv", f"{HEADER}\n4,J,j@example.org,1,cheap,1,1\n")
    platform.fault()
    platform.s3.delete_object(Bucket=platform.bucket, Key="input/orders/bad.csv")
    assert platform.refresh()["detailed_orders_csv"]["dagster/row_count"] == 3


def test_a_file_that_is_not_gzip_is_named(platform: Platform) -> None:
    platform.deliver("a.csv.gz", ORDERS_CSV)
    assert "a.csv.gz: The file's name ends in .gz, but its content is not gzip" in platform.fault(
        "refresh_orders"
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/nowhere/products.csv", ["No such file"]),
        ("s3://no-such-bucket-anywhere/products.csv", ["The bucket does not exist", "to do:"]),
        ("ftp://example.org/products.csv", ["the scheme ftp://"]),
    ],
)
def test_a_feed_that_cannot_be_read_is_reported_with_place_and_reason(
    platform: Platform, url: str, words: list[str]
) -> None:
    platform.set_feeds(products=url)
    error = platform.fault("refresh_products")
    for word in [url, *words]:
        assert word in error


def test_a_feed_on_a_machine_that_does_not_answer_is_reported(platform: Platform) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://user:hidden@127.0.0.1:{unused.getsockname()[1]}/orders.csv?key=hidden"
        platform.set_feeds(orders=url)
        error = platform.fault("refresh_orders")
    assert "no response" in error
    assert "hidden" not in error


def test_a_feed_that_would_empty_the_products_table_is_rejected_unless_allowed(
    platform: Platform,
) -> None:
    platform.refresh("refresh_products")
    platform.feed("products", "\n".join(PRODUCTS_CSV.splitlines()[:2]) + "\n")
    error = platform.fault("refresh_products")
    assert "would delete 2 of 3 products" in error
    assert "max_delete_share: 1" in error
    assert len(platform.items()) == 3
    platform.refresh("refresh_products", dynamodb_products={"max_delete_share": 1.0})
    assert list(platform.items()) == ["1"]
