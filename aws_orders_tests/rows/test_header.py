"""Headers: how they are parsed, and what their checks report."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aws_orders.contract import ORDERS
from aws_orders.errors import DataError
from aws_orders.rows.header import check_header, parse_header


def test_names_are_compared_without_case_blanks_or_byte_order_mark() -> None:
    assert parse_header(b"\xef\xbb\xbfOrder_ID, price \r\n", "f") == ("order_id", "price")


def test_unknown_columns_and_any_order_are_accepted() -> None:
    check_header(("coupon", *reversed(ORDERS.names), "coupon", ""), ORDERS, "f")


def test_a_missing_column_names_file_expected_and_found() -> None:
    with pytest.raises(DataError) as raised:
        check_header(("order_id", "price"), ORDERS, "s3://b/k.csv")
    error = str(raised.value)
    assert error.startswith("s3://b/k.csv, line 1: The header lacks customer_name, customer_email")
    assert "expected: order_id, customer_name" in error
    assert "found:    order_id, price" in error
    assert "to do:" in error


@example(b"\r\0")
@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_rejected_with_a_data_error(line: bytes) -> None:
    try:
        names = parse_header(line, "f")
    except DataError:
        return
    assert any(names)
