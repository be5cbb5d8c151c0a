"""The clients that people use: psql, psycopg2, redshift_connector and awswrangler."""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import awswrangler as wr
import pandas as pd
import psycopg2.extras
import pytest
import redshift_connector
from redshift_connector.core import Connection
from redshift_connector.error import ProgrammingError

from aws_orders_tests.laptop_aws.conftest import ROLE, Workplace


def test_psql_copies_files_and_describes_tables(redshift: Workplace, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("".join(f"{n},{'x' * 100}\n" for n in range(20_000)))
    commands = [
        "CREATE TABLE t (a int DISTKEY, b varchar(200) ENCODE zstd) SORTKEY (a)",
        rf"\copy t FROM '{rows}' CSV",
        rf"\copy t TO '{tmp_path / 'out.csv'}' CSV",
        r"\d t",
        r"\dt",
    ]
    done = redshift.psql(*(part for command in commands for part in ("-c", command)))
    assert done.returncode == 0, done.stderr
    assert "COPY 20000" in done.stdout
    assert "character varying(200)" in done.stdout
    assert (tmp_path / "out.csv").read_text() == rows.read_text()


def test_psql_shows_redshifts_notices_and_tags(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (a int)")
    redshift.put({"in/1": "1\n2\n"})
    done = redshift.psql("-c", f"COPY t FROM '{redshift.url('in/')}' IAM_ROLE default CSV")
    assert done.stderr == (
        "INFO:  Load into table 't' completed, 2 record(s) loaded successfully.\n"
    )
    assert re.fullmatch(r"COPY( \d+)?\n", done.stdout)
    to = redshift.url("out/p_")
    done = redshift.psql("-c", f"UNLOAD ('SELECT 1') TO '{to}' IAM_ROLE default CSV PARALLEL OFF")
    assert done.stderr == "INFO:  UNLOAD completed, 1 record(s) unloaded successfully.\n"
    assert done.stdout == "UNLOAD\n"


def test_psql_stops_at_a_failed_load_and_names_the_view_with_details(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (a int)")
    redshift.put({"in/1": "one\n"})
    copy = f"COPY t FROM '{redshift.url('in/')}' IAM_ROLE default CSV"
    done = redshift.psql("-1", "-c", "INSERT INTO t VALUES (7)", "-c", copy)
    assert done.returncode == 1
    assert "Check 'sys_load_error_detail' system table for details." in done.stderr
    assert redshift.sql("SELECT count(*) FROM t") == [(0,)]


def test_psycopg2_loads_queries_and_unloads(redshift: Workplace) -> None:
    redshift.put({"in/1": "1,a\n2,\n"})
    with closing(psycopg2.connect(**redshift.login())) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SET search_path TO {redshift.schema}")
            cursor.execute("CREATE TEMP TABLE t (id bigint, name varchar(9)) DISTSTYLE EVEN")
            cursor.execute("COPY t FROM %s IAM_ROLE %s CSV", (redshift.url("in/"), ROLE))
            psycopg2.extras.execute_values(cursor, "INSERT INTO t VALUES %s", [(3, "it's %")])
            cursor.execute("SELECT * FROM t WHERE id >= %s ORDER BY id", (2,))
            assert cursor.fetchall() == [(2, ""), (3, "it's %")]
            cursor.execute(
                "UNLOAD (%s) TO %s IAM_ROLE default CSV PARALLEL OFF",
                ("SELECT name FROM t WHERE name = 'it''s %'", redshift.url("out/")),
            )
        with connection, connection.cursor("served") as cursor:
            cursor.itersize = 1000
            cursor.execute("SELECT * FROM generate_series(1, 5000)")
            assert sum(n for (n,) in cursor) == 12502500
    assert redshift.get("out/000") == b"it's %\n"


@pytest.fixture
def connector(redshift: Workplace) -> Iterator[Connection]:
    """Return a connection of AWS's driver, which uses transactions by default."""
    with redshift_connector.connect(ssl=False, **redshift.login()) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path TO {redshift.schema}, public")
        connection.commit()
        yield connection


def test_redshift_connector_loads_queries_and_unloads(
    redshift: Workplace, connector: Connection
) -> None:
    redshift.put({"in/1": "1,a,4.505,2031-02-03 04:05:06\n2,,,\n"})
    with connector.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE t (id bigint ENCODE az64, name varchar(max), price decimal(8,2),"
            " seen timestamp) DISTKEY(id) COMPOUND SORTKEY(id)"
        )
        cursor.execute(f"COPY t FROM '{redshift.url('in/')}' IAM_ROLE '{ROLE}' CSV EMPTYASNULL")
        cursor.execute("INSERT INTO t (id, name) VALUES (%s, %s)", (3, "it's"))
        cursor.executemany("INSERT INTO t (id) VALUES (%s)", [(4,), (5,)])
        connector.commit()
        cursor.execute("SELECT * FROM t WHERE id < %s ORDER BY id", (4,))
        assert [list(row) for row in cursor.fetchall()] == [
            [1, "a", Decimal("4.50"), dt.datetime(2031, 2, 3, 4, 5, 6)],
            [2, None, None, None],
            [3, "it's", None, None],
        ]
        cursor.execute("SELECT id, NVL(name, '-') AS name FROM t WHERE id = 2")
        assert cursor.fetch_dataframe().to_dict("records") == [{"id": 2, "name": "-"}]
        cursor.execute(
            f"UNLOAD ('SELECT count(*) FROM t') TO '{redshift.url('out/')}' IAM_ROLE default"
            " CSV PARALLEL OFF"
        )
    assert redshift.get("out/000") == b"5\n"


def test_redshift_connector_gets_errors_and_continues(
    redshift: Workplace, connector: Connection
) -> None:
    redshift.put({"in/1": "one\n"})
    with connector.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id bigint)")
        connector.commit()
        for options, words in [("", "sys_load_error_detail"), ("SLOWLY", "SLOWLY")]:
            with pytest.raises(ProgrammingError, match=words):
                cursor.execute(
                    f"COPY t FROM '{redshift.url('in/')}' IAM_ROLE default CSV {options}"
                )
            connector.rollback()
        cursor.execute("SELECT count(*) FROM t")
        assert [list(row) for row in cursor.fetchall()] == [[0]]


FRAME = pd.DataFrame(
    {
        "id": [1, 2, 3],
        "name": ["a", 'quote " comma ,', None],
        "price": [Decimal("1.50"), Decimal("20.25"), None],
        "seen": [dt.datetime(2031, 2, 3, 4, 5, 6), None, dt.datetime(2031, 2, 3)],
    }
)


def rows(place: Workplace, query: str = "SELECT * FROM t ORDER BY id") -> list[tuple[Any, ...]]:
    return place.sql(query)


LOADED = [
    (1, "a", Decimal("1.50"), dt.datetime(2031, 2, 3, 4, 5, 6)),
    (2, 'quote " comma ,', Decimal("20.25"), None),
    (3, None, None, dt.datetime(2031, 2, 3)),
]


def copy_frame(redshift: Workplace, connector: Connection, **more: Any) -> None:
    wr.redshift.copy(
        df=FRAME,
        path=redshift.url("stage/"),
        con=connector,
        table="t",
        schema=redshift.schema,
        iam_role=ROLE,
        **more,
    )


def test_awswrangler_copies_a_frame_into_a_table_that_it_creates(
    redshift: Workplace, connector: Connection
) -> None:
    copy_frame(redshift, connector)
    assert rows(redshift) == LOADED
    copy_frame(redshift, connector, mode="append", lock=True)
    assert redshift.sql("SELECT count(*) FROM t") == [(6,)]
    assert redshift.keys("stage/") == []


@pytest.mark.parametrize("method", ["drop", "truncate", "delete"])
def test_awswrangler_overwrites(redshift: Workplace, connector: Connection, method: str) -> None:
    copy_frame(redshift, connector, sortkey=["id"], distkey="id", diststyle="KEY")
    copy_frame(redshift, connector, mode="overwrite", overwrite_method=method)
    assert rows(redshift) == LOADED


def test_awswrangler_unloads_a_query_into_a_frame(
    redshift: Workplace, connector: Connection
) -> None:
    copy_frame(redshift, connector)
    frame = wr.redshift.unload(
        sql="SELECT id, name, price FROM t WHERE name <> 'it''s' OR name IS NULL ORDER BY id",
        path=redshift.url("unloaded/"),
        con=connector,
        iam_role=ROLE,
    )
    found = frame.sort_values("id").astype(object).where(frame.notna(), None)
    assert found.to_dict("records") == [
        dict(zip(("id", "name", "price"), row, strict=False)) for row in LOADED
    ]


def test_awswrangler_loads_and_unloads_csv(redshift: Workplace, connector: Connection) -> None:
    redshift.put({"in/1": "1,a\n2,b\n"})
    wr.redshift.copy_from_files(
        path=redshift.url("in/"),
        con=connector,
        table="t",
        schema=redshift.schema,
        iam_role=ROLE,
        data_format="csv",
        redshift_column_types={"id": "BIGINT", "name": "VARCHAR(9)"},
        sql_copy_extra_params=["COMPUPDATE OFF", "STATUPDATE OFF"],
    )
    assert rows(redshift) == [(1, "a"), (2, "b")]
    wr.redshift.unload_to_files(
        sql="SELECT * FROM t WHERE name = 'b'",
        path=redshift.url("out/"),
        con=connector,
        iam_role=ROLE,
        unload_format="CSV",
        region="us-east-1",
        parallel=False,
        max_file_size=5.0,
        manifest=True,
        cleanpath=True,  # type: ignore[call-arg] # the stubs lack it
    )
    assert redshift.keys("out/") == ["out/000", "out/manifest"]
    assert redshift.get("out/000") == b"2,b\n"
