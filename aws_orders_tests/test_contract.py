"""The contract's consistency, and what derives from it."""

from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from aws_orders.contract import MONEY, ORDERS, PRODUCTS, PUBLISHED, PUBLISHED_COLUMNS, TABLES, TIME
from aws_orders.doctor import live
from aws_orders.rows.masking import masked


def test_ids_that_are_joined_have_one_type() -> None:
    ids = {table.column("product_id").type.ddl for table in (ORDERS, PRODUCTS)}  # type: ignore[union-attr]
    assert ids == {"BIGINT"}


def test_money_has_two_exact_decimals() -> None:
    money = [column.type.ddl for column in ORDERS.columns if column.name in ("price", "total")]
    assert money == ["DECIMAL(12,2)"] * 2


def test_a_published_column_is_its_source_column_under_another_name() -> None:
    for published, column in zip(PUBLISHED_COLUMNS, PUBLISHED.columns, strict=True):
        source = published.table.column(published.source)
        assert source is not None
        assert replace(column, name=source.name) == source


def test_every_e_mail_column_is_masked() -> None:
    columns = [column for table in (*TABLES, PUBLISHED) for column in table.columns]
    emails = [column.name for column in columns if column.email]
    assert emails == ["customer_email"] * 2
    assert {masked(name, "ada.dahl at example") for name in emails} == {"a***"}


def test_the_doctors_test_rows_have_a_value_of_each_columns_type() -> None:
    for row, rounded in zip(live.ROWS, live.ROUNDED, strict=True):
        for column, value, expected in zip(ORDERS.columns, row, rounded, strict=True):
            if column.type == MONEY:
                assert Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_UP) == Decimal(expected)
            else:
                assert value == expected
            if column.type == TIME:
                assert datetime.fromisoformat(value)
            elif not column.type.is_text:
                assert Decimal(value) > 0
            assert value or not column.required
