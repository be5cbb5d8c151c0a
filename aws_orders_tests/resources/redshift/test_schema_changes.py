"""Any sequence of allowed contract changes, with loads in between, results in the last contract."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from psycopg2.sql import SQL

from aws_orders.contract import COUNT, ID, ORDERS, TIME, Column, SqlType, Table, varchar
from aws_orders.orders import sql
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.schema_evolution import evolve
from aws_orders.resources.redshift.session import Session
from aws_orders_tests.conftest import Platform
from aws_orders_tests.resources.redshift.test_schema_evolution import columns
from aws_orders_tests.searches import search

NAMES = st.sampled_from(["coupon", "note", "channel"])
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), NAMES, st.sampled_from([varchar(8), ID, COUNT, TIME])),
        st.tuples(
            st.just("widen"), st.sampled_from(["customer_name", "coupon", "note"]), st.just(TIME)
        ),
        st.tuples(st.just("load"), NAMES, st.just(TIME)),
        st.tuples(st.just("reorder"), NAMES, st.just(TIME)),
    ),
    min_size=1,
    max_size=6,
)


def changed(table: Table, kind: str, name: str, type_: SqlType) -> Table:
    """Return the contract after one allowed change; unchanged if the change does not apply."""
    there = table.column(name)
    if kind == "add" and there is None:
        added = Column(name, type_, "", optional=True)
        return replace(table, columns=(*table.columns, added))
    if kind == "widen" and there and there.type.max_bytes:
        wide = replace(there, type=varchar(there.type.max_bytes + 10))
        return replace(table, columns=tuple(wide if c is there else c for c in table.columns))
    if kind == "reorder":
        return replace(table, columns=table.columns[::-1])
    return table


# Every example drops the tables of the previous one.
@search(20)
@given(CHANGES)
def test_any_changes_with_loads_in_between_result_in_the_last_contract(
    platform: Platform, changes: list[tuple[str, str, SqlType]]
) -> None:
    schema = platform.redshift.schema_name
    platform.query("DROP TABLE IF EXISTS orders; DROP TABLE IF EXISTS fresh")
    contract, expected, load_id = ORDERS, [], 0
    with platform.redshift.session() as session:
        for kind, name, type_ in changes:
            contract = changed(contract, kind, name, type_)
            evolve(session, schema, [contract])
            if kind == "load":
                load_id += 1
                expected.append(insert(session, schema, contract, load_id))
        evolve(session, schema, [contract, replace(contract, name="fresh")])
        assert evolve(session, schema, [contract]) == []
    assert columns(platform, "orders") == columns(platform, "fresh")
    found = platform.query("SELECT load_id, order_id, customer_name FROM orders ORDER BY 1")
    assert found == expected


def insert(session: Session, schema: str, contract: Table, load_id: int) -> tuple[Any, ...]:
    """Load one order through a stage, with a name of the longest length that is allowed."""
    column = contract.column("customer_name")
    assert column
    assert column.type.max_bytes
    order = (load_id, load_id * 10, "x" * column.type.max_bytes)
    session.execute(statements.drop_stage("stage"))
    session.execute(statements.create_stage("stage", contract, contract.names))
    session.execute(SQL("INSERT INTO stage (order_id, customer_name) VALUES (%s, %s)"), order[1:])
    session.execute(sql.insert_load(schema, contract, "stage", contract.names), (load_id,))
    return order
