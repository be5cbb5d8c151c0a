"""The statements of the orders' loads and ledger. Pure.

See `commit` for the transaction that they are part of, and `resources.redshift.statements` for
the SQL that any table needs.
"""

from collections.abc import Sequence

from psycopg2.sql import SQL, Composed, Identifier

from aws_orders.contract import LOAD_ID, ORDERS_LOADS, ORDERS_REJECTED, Table
from aws_orders.resources.redshift.statements import names


def newest_load(schema: str) -> Composed:
    """SELECT the highest load id (0 if there is no load) and the newest time.

    Compare both: after a full refresh that found no delivery, ids start at 1 again.
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
    """SELECT the deliveries of some loads; the argument is a tuple of their ids."""
    return SQL("SELECT delivery, etag, load_id\nFROM {}\nWHERE load_id IN %s").format(
        Identifier(schema, ORDERS_LOADS.name)
    )


def delete_loads(schema: str, table: Table) -> Composed:
    """DELETE the rows of some loads; the argument is a tuple of their ids."""
    return SQL("DELETE FROM {}\nWHERE load_id IN %s").format(Identifier(schema, table.name))


def insert_load(schema: str, table: Table, stage: str, columns: Sequence[str]) -> Composed:
    """INSERT the rows of a stage, without unknown columns; the argument is the load id."""
    known = [name for name in columns if name in table.names]
    return SQL("INSERT INTO {} ({}, {})\nSELECT {}, %s\nFROM {}").format(
        Identifier(schema, table.name),
        names(known),
        Identifier(LOAD_ID.name),
        names(known),
        Identifier(stage),
    )


def quarantined_loads(schema: str) -> Composed:
    """SELECT the ids of the loads that have rejected rows."""
    return SQL("SELECT DISTINCT load_id\nFROM {}").format(Identifier(schema, ORDERS_REJECTED.name))
