"""COPY and UNLOAD of PARQUET, as awswrangler uses them: columns by position, types, part names.

See https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html
"""

import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from aws_orders_tests.laptop_aws.conftest import Workplace

COLUMNS = (
    "id bigint, name varchar(20), price decimal(8,2), seen timestamp, good boolean, on_day date"
)
ROWS = [
    (1, 'quote " comma, \\N', Decimal("20.25"), dt.datetime(2031, 2, 3, 4, 5, 6), True,
     dt.date(2031, 2, 3)),
    (2, "", Decimal("-0.10"), dt.datetime(1969, 12, 31), False, dt.date(1969, 12, 31)),
    (3, None, None, None, None, None),
]  # fmt: skip


def parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def read(place: Workplace, key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(place.get(key))).to_pylist()
    return rows


@pytest.fixture
def beans(redshift: Workplace) -> Workplace:
    redshift.sql("CREATE TABLE beans (id bigint, name varchar(20), seats int DEFAULT 7)")
    return redshift


def test_columns_are_matched_by_position_not_by_name(beans: Workplace) -> None:
    file = parquet(name=[1, 2], seats=["a", None], other=pa.array([5, None], pa.int32()))
    beans.put({"in/1.parquet": file})
    beans.copy("beans", "FORMAT AS PARQUET STATUPDATE OFF")
    assert beans.sql("SELECT * FROM beans ORDER BY id") == [(1, "a", 5), (2, None, None)]
    assert beans.sql("SELECT pg_last_copy_count()") == [(2,)]


def test_a_column_list_names_the_files_columns_in_their_order(beans: Workplace) -> None:
    beans.put({"in/1": parquet(a=["x"], b=[9])})
    beans.copy("beans (name, id)", "PARQUET")
    assert beans.sql("SELECT * FROM beans") == [(9, "x", 7)]


def test_every_file_under_a_prefix_is_loaded(beans: Workplace) -> None:
    beans.put({"in/1": parquet(a=[1], b=["x"]), "in/2": parquet(a=[2], b=["y"])})
    beans.copy("beans (id, name)", "FORMAT PARQUET")
    assert beans.sql("SELECT id, name FROM beans ORDER BY id") == [(1, "x"), (2, "y")]


def test_a_file_that_does_not_fit_loads_nothing(beans: Workplace) -> None:
    beans.put({
        "few": parquet(a=[1], b=["x"]),
        "text": parquet(a=["one"], b=["x"], c=[1]),
        "long": parquet(a=[1], b=["ü" * 11], c=[1]),
        "none": b"no parquet at all",
    })  # fmt: skip
    for key in ("few", "text", "long", "none"):
        beans.copy_fails("beans", "FORMAT AS PARQUET", key)
        assert beans.sql("SELECT count(*) FROM beans") == [(0,)]


@pytest.mark.parametrize(
    "option",
    [
        "DELIMITER ','",
        "GZIP",
        "IGNOREHEADER 1",
        "NULL AS 'x'",
        "QUOTE '%'",
        "MAXERROR 5",
        "MANIFEST",
    ],
)
def test_an_option_not_supported_for_parquet_is_named_in_the_error(
    beans: Workplace, option: str
) -> None:
    beans.put({"in/1": parquet(a=[1], b=["x"], c=[1])})
    words = beans.copy_fails("beans", f"FORMAT AS PARQUET {option}")
    assert option.split()[0] in words


@pytest.mark.parametrize("option", ["HEADER", "GZIP", "NULL AS 'x'", "DELIMITER ','", "ADDQUOTES"])
def test_unload_to_parquet_rejects_options_for_text(redshift: Workplace, option: str) -> None:
    to = f"'{redshift.url('out/')}' IAM_ROLE default"
    error = redshift.fails(f"UNLOAD ('SELECT 1 AS a') TO {to} FORMAT PARQUET {option}")
    assert option.split()[0] in str(error)
    assert redshift.keys() == []


@pytest.mark.parametrize(
    ("options", "key"),
    [("PARALLEL OFF", "out/p_000.parquet"), ("", "out/p_0000_part_00.parquet")],
)
def test_unloaded_files_have_their_types_and_load_again(
    redshift: Workplace, options: str, key: str
) -> None:
    redshift.sql(f"CREATE TABLE here ({COLUMNS}); CREATE TABLE there ({COLUMNS})")
    with redshift.connection.cursor() as cursor:
        cursor.executemany("INSERT INTO here VALUES (%s, %s, %s, %s, %s, %s)", ROWS)
    redshift.unload("SELECT * FROM here", f"FORMAT AS PARQUET {options}")
    assert key in redshift.keys("out/")
    found = [tuple(row.values()) for key in redshift.keys("out/") for row in read(redshift, key)]
    assert sorted(found) == sorted(ROWS)
    redshift.copy("there", "FORMAT AS PARQUET", "out/p_")
    assert redshift.sql("SELECT * FROM there ORDER BY id") == ROWS
