"""UNLOAD and then COPY return the same rows.

The options make the round trip exact on Redshift too: NULL AS a word that is not a value, because
an empty field is text. Text cannot hold NUL.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import psycopg2.extras
from hypothesis import given
from hypothesis import strategies as st

from aws_orders_tests.laptop_aws.conftest import Workplace
from aws_orders_tests.searches import search

NULL = "(nothing)"
characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
texts = st.one_of(
    st.text(characters, max_size=40),
    st.text(st.sampled_from("\"'\\,|;\t\r\n N.é€😀 "), max_size=12),
    st.sampled_from(
        ["", " ", '"', '""', "\\.", "\\N", "NULL", "null", ",", "\r\n", "\ufeff", "''"]
    ),
)
decimals = st.decimals(Decimal("-9999999999.99"), Decimal("9999999999.99"), places=2)
rows = st.lists(
    st.tuples(
        st.none() | texts.filter(lambda text: text != NULL),
        st.none() | decimals,
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)),
        st.none() | st.booleans(),
        st.none() | st.dates(),
    ),
    max_size=30,
)
quickly = search(25)
COLUMNS = "t varchar(max), d decimal(12,2), i bigint, s timestamp, b boolean, e date"


def travel(
    place: Workplace, given_rows: list[tuple[Any, ...]], unload: str, copy: str
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Copy rows from `here` through S3 to `there`; return those of both tables."""
    place.sql("DELETE FROM here; DELETE FROM there")
    numbered = [(n, *row) for n, row in enumerate(given_rows)]
    with place.connection.cursor() as cursor:
        psycopg2.extras.execute_values(cursor, "INSERT INTO here VALUES %s", numbered)
    place.unload("SELECT * FROM here", f"CSV CLEANPATH MANIFEST NULL AS '{NULL}' {unload}")
    place.copy("there", f"CSV MANIFEST NULL AS '{NULL}' {copy}", "out/p_manifest")
    return numbered, place.sql("SELECT * FROM there ORDER BY n")


def tables(place: Workplace, columns: str) -> None:
    for name in ("here", "there"):
        place.sql(f"CREATE TABLE IF NOT EXISTS {name} (n int, {columns})")


@quickly
@given(rows.filter(len), st.booleans())
def test_any_rows_return_unchanged_from_one_file(
    redshift: Workplace, given_rows: list[tuple[Any, ...]], roundec: bool
) -> None:
    tables(redshift, COLUMNS)
    before, after = travel(redshift, given_rows, "PARALLEL OFF", "ROUNDEC" if roundec else "")
    assert after == before


@quickly
@given(rows.filter(len))
def test_any_rows_return_unchanged_from_compressed_parts_with_headers(
    redshift: Workplace, given_rows: list[tuple[Any, ...]]
) -> None:
    tables(redshift, COLUMNS)
    before, after = travel(redshift, given_rows, "HEADER GZIP", "GZIP IGNOREHEADER 1")
    assert after == before


@quickly
@given(
    st.lists(st.tuples(texts), min_size=1, max_size=40), st.sampled_from(["", "TRUNCATECOLUMNS"])
)
def test_any_text_returns_unchanged_from_files_read_row_by_row(
    redshift: Workplace, given_rows: list[tuple[Any, ...]], option: str
) -> None:
    tables(redshift, "t varchar(max)")
    before, after = travel(
        redshift, given_rows, "PARALLEL OFF", f"ACCEPTINVCHARS MAXERROR 5 {option}"
    )
    assert after == before


@quickly
@given(st.lists(st.tuples(st.none() | texts.filter(len)), min_size=1, max_size=40))
def test_without_null_as_empty_text_and_null_are_the_same(
    redshift: Workplace, given_rows: list[tuple[Any, ...]]
) -> None:
    tables(redshift, "t varchar(max)")
    redshift.sql("DELETE FROM here; DELETE FROM there")
    numbered = [(n, *row) for n, row in enumerate(given_rows) if row != ("\\N",)]
    with redshift.connection.cursor() as cursor:
        for row in numbered:
            cursor.execute("INSERT INTO here VALUES (%s, %s)", row)
    redshift.unload("SELECT * FROM here", "CSV CLEANPATH PARALLEL OFF")
    redshift.copy("there", "CSV EMPTYASNULL", "out/p_")
    assert redshift.sql("SELECT * FROM there ORDER BY n") == numbered


@quickly
@given(st.lists(st.decimals(-(10**6), 10**6, allow_nan=False, places=6), min_size=1, max_size=40))
def test_copy_truncates_decimals_and_rounds_them_with_roundec(
    redshift: Workplace, numbers: list[Decimal]
) -> None:
    redshift.sql("CREATE TABLE IF NOT EXISTS t (n int, d decimal(12,2))")
    redshift.put({"in/1": "".join(f"{n},{number:f}\n" for n, number in enumerate(numbers))})
    for option, rounding in [("", "ROUND_DOWN"), ("ROUNDEC", "ROUND_HALF_UP")]:
        redshift.sql("DELETE FROM t")
        redshift.copy("t", f"CSV {option}")
        expected = [
            (n, number.quantize(Decimal("0.01"), rounding)) for n, number in enumerate(numbers)
        ]
        assert redshift.sql("SELECT * FROM t ORDER BY n") == expected
