"""Schema evolution: a changed contract, and a warehouse from an earlier contract."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from psycopg2.sql import SQL, Composed, Literal

from aws_orders.contract import (
    COUNT,
    ID,
    ORDERS_LOADS,
    TABLES,
    TIME,
    Column,
    SqlType,
    Table,
    varchar,
)
from aws_orders.errors import DataError
from aws_orders.resources.redshift import schema_evolution, schema_sql, statements
from aws_orders.resources.redshift.schema_evolution import evolve
from aws_orders_tests.conftest import Platform

KEY = Column("id", ID, "", required=True)
NAME = Column("name", varchar(20), "")
NEW = Column("note", varchar(40), "")


def things(*columns: Column) -> Table:
    return Table("things", "id", columns)


def apply(platform: Platform, *tables: Table) -> list[str]:
    schema = platform.redshift.schema_name
    return platform.redshift.run(lambda session: evolve(session, schema, tables))


def columns(platform: Platform, table: str = "things") -> list[tuple[Any, ...]]:
    """Return a table's columns without their order, which nothing depends on."""
    return sorted(
        platform.query(
            "SELECT column_name::text, data_type::text, character_maximum_length,"
            " numeric_precision, numeric_scale, is_nullable::text"
            " FROM information_schema.columns"
            f" WHERE table_schema = current_schema() AND table_name = '{table}'"
        ),
        key=str,
    )


def test_missing_tables_and_columns_are_created_and_texts_widened_only_once(
    platform: Platform,
) -> None:
    schema = platform.redshift.schema_name
    assert apply(platform, things(KEY, NAME))[0].startswith("CREATE TABLE IF NOT EXISTS")
    platform.query("INSERT INTO things VALUES (1, 'Kettle')")
    wider = things(KEY, replace(NAME, type=varchar(60)), NEW)
    assert apply(platform, wider) == [
        f'ALTER TABLE "{schema}"."things" ALTER COLUMN "name" TYPE VARCHAR(60)',
        f'ALTER TABLE "{schema}"."things" ADD COLUMN "note" VARCHAR(40)',
    ]
    assert platform.query("SELECT id, name, note FROM things") == [(1, "Kettle", None)]
    platform.query(f"INSERT INTO things (id, name) VALUES (2, '{'x' * 60}')")
    assert apply(platform, wider) == []


TYPES = [
    *("BIGINT", "INTEGER", "SMALLINT", "DECIMAL(12,2)", "TIMESTAMP", "TIMESTAMPTZ", "DATE"),
    *("BOOLEAN", "VARCHAR(300)", "CHAR(3)", "REAL", "DOUBLE PRECISION", "numeric(10, 0)", "int8"),
    *("character varying (7)", "bool", "float8", "timestamp without time zone"),
]


def test_a_new_table_needs_no_change_whatever_its_types(
    platform: Platform,
) -> None:
    every = things(*(Column(f"c{n}", SqlType(ddl), "") for n, ddl in enumerate(TYPES)))
    assert len(apply(platform, every)) == 1
    assert apply(platform, every) == []


def test_a_column_that_only_the_contract_requires_is_not_changed(platform: Platform) -> None:
    apply(platform, things(KEY, NAME))
    assert apply(platform, things(KEY, replace(NAME, required=True))) == []


def test_names_that_need_quotes_are_quoted(platform: Platform) -> None:
    odd = Table('th"ings', "id", (KEY, Column('se"lect', varchar(5), "")))
    apply(platform, odd)
    wide = replace(odd, columns=(KEY, Column('se"lect', varchar(9), ""), Column("user", ID, "")))
    assert len(apply(platform, wide)) == 2
    assert apply(platform, wide) == []


# By difference: the contract before and after, and what the error says.
REFUSED: dict[str, tuple[Table, Table, list[str]]] = {
    "a column that the contract no longer has": (
        things(KEY, NAME, NEW),
        things(KEY, NAME),
        [
            "not in the contract",
            "expected: no column note",
            "VARCHAR(40)",
            "Add note to contract.py",
        ],
    ),
    "a narrower text": (
        things(KEY, NAME),
        things(KEY, replace(NAME, type=varchar(19))),
        ["wider", "name VARCHAR(19)", "found:    name VARCHAR(20)", "VARCHAR(20) in contract.py"],
    ),
    "another type": (
        things(KEY, replace(NAME, type=COUNT)),
        things(KEY, replace(NAME, type=ID)),
        ["a different type", "name BIGINT", "found:    name INTEGER", "INTEGER in contract.py"],
    ),
    "a number of another scale": (
        things(KEY, replace(NAME, type=SqlType("DECIMAL(12,2)"))),
        things(KEY, replace(NAME, type=SqlType("DECIMAL(12,3)"))),
        ["a different type", "DECIMAL(12,3)", "DECIMAL(12,2)"],
    ),
    "a text of another type": (
        things(KEY, NAME),
        things(KEY, replace(NAME, type=SqlType("CHAR(20)"))),
        ["a different type", "CHAR(20)"],
    ),
    "a required new column": (
        things(KEY, NAME),
        things(KEY, NAME, replace(NEW, required=True)),
        ["cannot be required", "Make note not required", "found:    no column note"],
    ),
    "a column that may be NULL from now on": (
        things(KEY, replace(NAME, required=True)),
        things(KEY, NAME),
        ["is NOT NULL", "Make name required"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_change_that_may_lose_data_is_refused_and_the_sql_in_the_error_works(
    platform: Platform, name: str
) -> None:
    before, after, words = REFUSED[name]
    apply(platform, before)
    platform.query("INSERT INTO things (id, name) VALUES (1, '7')")
    was = columns(platform)
    with pytest.raises(DataError) as raised:
        apply(platform, after)
    text = str(raised.value)
    assert [
        word for word in [f"{platform.redshift.schema_name}.things", *words] if word not in text
    ] == []
    assert columns(platform) == was
    assert "as the table's owner: " in raised.value.fix
    platform.query(raised.value.fix.partition("as the table's owner: ")[2])
    apply(platform, after)
    assert apply(platform, after) == []


def test_one_error_names_all_differences_and_nothing_is_changed(platform: Platform) -> None:
    apply(platform, things(KEY, NAME, NEW))
    was = columns(platform)
    with pytest.raises(DataError) as raised:
        apply(platform, things(replace(KEY, type=COUNT), replace(NAME, type=varchar(99))))
    assert "things.id" in raised.value.where
    assert "things.note" in raised.value.where
    assert columns(platform) == was


def fail_with(monkeypatch: pytest.MonkeyPatch, sqlstate: str) -> None:
    """Let the server refuse every change with an error of that code."""
    refuse = SQL("DO $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = {}; END $$")
    statement = refuse.format(Literal(sqlstate))
    monkeypatch.setattr(schema_sql, "statement", lambda *_: statement)


@pytest.mark.parametrize("column", [replace(NAME, type=varchar(60)), NEW])
def test_without_the_privilege_to_alter_the_error_has_the_grant(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, column: Column
) -> None:
    apply(platform, things(KEY, NAME))
    wanted = things(KEY, column) if column.name == "name" else things(KEY, NAME, column)
    fail_with(monkeypatch, "42501")
    with pytest.raises(DataError) as raised:
        apply(platform, wanted)
    schema, user = platform.redshift.schema_name, platform.redshift.user
    assert f'GRANT ALTER ON TABLE "{schema}"."things" TO "{user}";' in raised.value.fix
    assert f"{user} as the table's owner" in raised.value.expected


def test_if_redshift_cannot_widen_a_text_the_error_has_statements_that_do(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(platform, things(KEY, NAME))
    platform.query("INSERT INTO things VALUES (1, 'Kettle')")
    wider = things(KEY, replace(NAME, type=varchar(60)))
    with monkeypatch.context() as patch:
        fail_with(patch, "0A000")
        with pytest.raises(DataError, match="cannot widen the column name") as raised:
            apply(platform, wider)
    assert "not now" in raised.value.found
    platform.query(raised.value.fix.partition("as the table's owner: ")[2])
    assert apply(platform, wider) == []
    assert platform.query("SELECT id, name FROM things") == [(1, "Kettle")]


def test_without_the_privilege_to_create_the_error_has_the_grant(
    platform: Platform,
) -> None:
    schema, user = platform.redshift.schema_name, platform.redshift.user
    platform.query(f'REVOKE CREATE ON SCHEMA "{schema}" FROM "{user}"')
    with pytest.raises(DataError) as raised:
        apply(platform, things(KEY))
    grant = raised.value.fix.partition("admin: ")[2]
    assert grant == f'GRANT USAGE, CREATE ON SCHEMA "{schema}" TO "{user}";'
    platform.query(grant)
    assert len(apply(platform, things(KEY))) == 1


@pytest.mark.parametrize("sqlstate", ["57014", "0A000"])
def test_other_errors_are_not_changed(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, sqlstate: str
) -> None:
    apply(platform, things(KEY, NAME))
    fail_with(monkeypatch, sqlstate)
    with pytest.raises(psycopg2.Error, match="not now"):
        apply(platform, things(KEY, NAME, NEW))


@pytest.mark.parametrize("step", ["read", "before", "inside"])
def test_two_runs_that_change_the_same_table_concurrently_both_succeed(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    apply(platform, things(KEY, NAME))
    wider = things(KEY, replace(NAME, type=varchar(60)), NEW, Column("more", TIME, ""))
    barrier = threading.Barrier(2)
    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as pool:
        meet_once(patch, step, barrier)
        found = list(pool.map(lambda _: apply(platform, wider), range(2)))
    assert sum(text.count("ADD COLUMN") for texts in found for text in texts) == 2
    assert apply(platform, wider) == []


def meet_once(monkeypatch: pytest.MonkeyPatch, step: str, barrier: threading.Barrier) -> None:
    """Let two threads wait for each other the first time that each is at `step`."""
    local = threading.local()

    def met(work: Callable[..., Any]) -> Callable[..., Any]:
        def waiting(*arguments: Any) -> Any:
            result = work(*arguments) if step == "read" else None
            if not getattr(local, "met", False):
                local.met = True
                barrier.wait(20)
            return result if step == "read" else work(*arguments)

        return waiting

    module, name = {
        "read": (schema_evolution, "read_plan"),
        "before": (schema_evolution, "_apply"),
        "inside": (statements, "lock"),
    }[step]
    monkeypatch.setattr(module, name, met(getattr(module, name)))


def as_made_at_first(schema: str) -> Sequence[Composed]:
    """Return the tables as they were before the ledger counted records, and rows in them."""
    ledger = replace(
        ORDERS_LOADS, columns=tuple(c for c in ORDERS_LOADS.columns if c.name != "records")
    )
    made = [ledger if table is ORDERS_LOADS else table for table in TABLES]
    return [statements.create_table(schema, table) for table in made]


def test_the_next_run_changes_the_tables_of_an_earlier_version_and_reports_it(
    platform: Platform,
) -> None:
    schema = platform.redshift.schema_name
    platform.redshift.run(lambda session: list(map(session.execute, as_made_at_first(schema))))
    platform.query(
        "INSERT INTO orders (order_id, load_id) VALUES (900, 1);"
        "INSERT INTO orders_loads VALUES"
        " (1, 'input/orders/gone.csv', 'e', 9, 1, 'a-run', '2026-01-01')"
    )
    report = platform.refresh()
    added = f'ALTER TABLE "{schema}"."orders_loads" ADD COLUMN "records" BIGINT'
    assert report["redshift_orders"]["schema_changes"] == [added]
    assert report["redshift_products"]["schema_changes"] == []
    assert len(platform.query("SELECT * FROM orders")) == 4
    assert platform.refresh()["redshift_orders"]["schema_changes"] == []
