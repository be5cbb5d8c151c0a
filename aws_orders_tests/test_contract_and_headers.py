"""The contract's own consistency, and what header checks say."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aws_orders.contract import DETAILED_ORDERS, ORDERS, PRODUCTS
from aws_orders.errors import DataError
from aws_orders.rows.header import check_header, parse_header
from aws_orders.rows.lookup import records_at_lines


def test_ids_that_are_joined_have_one_type() -> None:
    ids = {table.column("product_id").type.ddl for table in (ORDERS, PRODUCTS)}  # type: ignore[union-attr]
    assert ids == {"BIGINT"}


def test_money_has_two_exact_decimals() -> None:
    money = [column.type.ddl for column in ORDERS.columns if column.name in ("price", "total")]
    assert money == ["DECIMAL(12,2)"] * 2


def test_every_published_column_has_a_source_in_the_contract() -> None:
    for published in DETAILED_ORDERS:
        assert published.column.meaning


def test_names_are_compared_without_case_blanks_or_byte_order_mark() -> None:
    assert parse_header(b"\xef\xbb\xbfOrder_ID, price \r\n", "f") == ("order_id", "price")


def test_unknown_columns_are_returned() -> None:
    header = ("coupon", *reversed(ORDERS.names), "note")
    assert check_header(header, ORDERS, "f") == ("coupon", "note")


def test_a_missing_column_names_file_expected_and_found() -> None:
    with pytest.raises(DataError) as raised:
        check_header(("order_id", "price"), ORDERS, "s3://b/k.csv")
    told = str(raised.value)
    assert told.startswith("s3://b/k.csv, line 1: The header lacks customer_name, customer_email")
    assert "expected: order_id, customer_name" in told
    assert "found:    order_id, price" in told
    assert "to do:" in told


@example(b"\r\0")
@given(st.binary(max_size=200))
def test_no_bytes_make_a_header_check_fail_but_by_its_own_error(line: bytes) -> None:
    try:
        names = parse_header(line, "f")
    except DataError:
        return
    assert any(names)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([1], ["1,a"]),
        ([2], ['2,"b\nc"']),
        ([3], ['2,"b\nc"']),
        ([1, 3, 4], ["1,a", '2,"b\nc"', "3,\\xe9"]),
        ([2, 2], ['2,"b\nc"', '2,"b\nc"']),
        ([4, 9], ["3,\\xe9", ""]),
        ([8, 9], ["", ""]),
        ([5, 6], ["4,a\rb", "5,z"]),
    ],
)
def test_the_records_at_some_lines_are_found_across_quoted_newlines(
    wanted: list[int], expected: list[str]
) -> None:
    lines = [b"1,a\r\n", b'2,"b\n', b'c"\n', b"3,\xe9\n", b"4,a\rb\n", b"5,z\n"]
    found = list(records_at_lines(lines, wanted))
    assert [record.text for record in found] == expected
    whole = [record for record in found if "\r" not in record.text]
    assert all(len(record.fields) == (2 if record.text else 0) for record in whole)
