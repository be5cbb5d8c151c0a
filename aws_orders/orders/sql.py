"""The SQL of the orders' ledger and loads."""

from collections.abc import Sequence

from psycopg2.sql import SQL, Composed, Identifier

from aws_orders.contract import LOAD_ID, ORDERS_LOADS, ORDERS_REJECTED, Table
from aws_orders.resources.redshift.statements import names


def insert_load(schema: str, table: Table, stage: str, columns: Sequence[str]) -> Composed:
    """INSERT those of `columns` that the contract knows; the argument is the load id."""
    known = [name for name in columns if name in table.names]
    return SQL("INSERT INTO {} ({}, {})\nSELECT {}, %s\nFROM {}").format(
        Identifier(schema, table.name),
        names(known),
        Identifier(LOAD_ID.name),
        names(known),
        Identifier(stage),
    )


def delete_loads(schema: str, table: Table) -> Composed:
    """DELETE what the loads brought whose ids, a tuple, are the argument."""
    return SQL("DELETE FROM {}\nWHERE load_id IN %s").format(Identifier(schema, table.name))


def quarantined_loads(schema: str) -> Composed:
    """SELECT the loads that have rows set apart."""
    return SQL("SELECT DISTINCT load_id\nFROM {}").format(Identifier(schema, ORDERS_REJECTED.name))


def newest_load(schema: str) -> Composed:
    """SELECT the highest load id, 0 where there is none, and the newest time.

    Together they change with every load; the id alone may return after a full refresh.
    """
    return SQL("SELECT coalesce(max(load_id), 0), max(loaded_at)\nFROM {}").format(
        Identifier(schema, ORDERS_LOADS.name)
    )


def select_ledger(schema: str) -> Composed:
    """SELECT each delivery with its ETag and load, in the order in which S3 lists keys."""
    return SQL("SELECT delivery, etag, load_id\nFROM {}\nORDER BY delivery").format(
        Identifier(schema, ORDERS_LOADS.name)
    )


def select_members(schema: str) -> Composed:
    """SELECT the deliveries of the loads whose ids, a tuple, are the argument."""
    return SQL("SELECT delivery, etag, load_id\nFROM {}\nWHERE load_id IN %s").format(
        Identifier(schema, ORDERS_LOADS.name)
    )
