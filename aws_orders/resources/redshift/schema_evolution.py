"""Schema evolution: makes the warehouse's tables match the contract before they are used.

This module reads the warehouse's columns, executes the plan, and explains failures. See
`schema_changes` for the plan and `schema_sql` for the SQL.
"""

import logging
from collections.abc import Sequence
from typing import Any

import psycopg2
from psycopg2.sql import Composable

from aws_orders.contract import ORDERS_TABLES, Table
from aws_orders.errors import DataError
from aws_orders.resources.redshift import schema_sql, statements
from aws_orders.resources.redshift.errors import is_transient
from aws_orders.resources.redshift.schema_changes import (
    Change,
    CreateTable,
    ExistingColumn,
    Reason,
    Refusal,
    SchemaPlan,
    WidenColumn,
    plan_changes,
)
from aws_orders.resources.redshift.session import Session

log = logging.getLogger(__name__)
INSUFFICIENT_PRIVILEGE, STATEMENT_TIMEOUT = "42501", "57014"


def read_plan(session: Session, schema: str, tables: Sequence[Table]) -> SchemaPlan:
    """Return how the warehouse's tables differ from the contract, with one query and no change."""
    found = session.rows(*schema_sql.select_columns(schema, tables))
    return plan_changes(tables, (ExistingColumn.from_catalog(*row) for row in found))


def evolve(session: Session, schema: str, tables: Sequence[Table]) -> list[str]:
    """Create missing tables, widen VARCHARs and add columns; return the statements executed.

    Two runs may do this at the same time. If a statement fails, plan again. A shorter plan means
    another run made the change; continue with the rest.

    Raises:
        DataError: resolving a difference could lose data, or the user may not change a table.
    """
    plan = read_plan(session, schema, tables)
    applied: list[str] = []
    while True:
        if plan.refused:
            raise refusal_error(session, schema, plan.refused)
        if not plan.changes:
            return applied
        try:
            _apply(session, schema, tables, plan, applied)
            return applied
        except _ChangeFailedError as failed:
            rest = read_plan(session, schema, tables)
            if is_transient(failed.error) or len(rest.changes) >= len(plan.changes):
                raise _explain(session, schema, failed) from failed.error
            plan = rest


class _ChangeFailedError(Exception):
    """A statement of the plan failed."""

    def __init__(self, change: Change, error: psycopg2.Error) -> None:
        super().__init__(change, error)
        self.change, self.error = change, error


def _apply(
    session: Session, schema: str, tables: Sequence[Table], plan: SchemaPlan, applied: list[str]
) -> None:
    """Execute the plan; add each statement to `applied` after it has taken effect."""
    for change in plan.before:
        _execute_change(session, schema, change, applied)
    if not plan.inside:
        return
    altered = {change.table.name for change in plan.inside}
    with session.transaction():
        for table in tables:  # in the order in which loads lock them
            if table.name in altered:
                _execute(session, statements.lock(schema, table), plan.inside[0])
        # Under the lock no other session adds columns; what another run has added is not in `rest`.
        rest = read_plan(session, schema, tables)
        added: list[str] = []
        for change in rest.inside:
            _execute_change(session, schema, change, added)
    applied += added


def _execute_change(session: Session, schema: str, change: Change, applied: list[str]) -> None:
    statement = schema_sql.statement(schema, change)
    _execute(session, statement, change)
    text = statement.as_string(session.connection)
    log.info("schema change: %s", text)
    applied.append(text)


def _execute(session: Session, statement: Composable, change: Change) -> None:
    try:
        session.execute(statement)
    except psycopg2.Error as error:
        raise _ChangeFailedError(change, error) from error


def _explain(session: Session, schema: str, failed: _ChangeFailedError) -> Exception:
    """Return the error to report, with the statements that fix it if there are any."""
    change, error = failed.change, failed.error
    if error.pgcode == INSUFFICIENT_PRIVILEGE:
        user = str(session.scalar("SELECT current_user"))
        if isinstance(change, CreateTable):
            needed = f"USAGE and CREATE on the schema for {user}"
            grant = schema_sql.grant_create(schema, user)
        else:
            needed = f"{user} as the table's owner, or ALTER on the table for {user}"
            grant = schema_sql.grant_alter(schema, change.table, user)
        return _error(
            "The user of the warehouse is not allowed to create or change the table.",
            change.table,
            schema,
            needed,
            error,
            f"Run as the owner or an admin: {grant.as_string(session.connection)}",
        )
    if isinstance(change, WidenColumn) and not _may_succeed_later(error):
        column = change.column
        statements = schema_sql.rebuild(schema, change.table, column.name, column.type.ddl)
        return _error(
            f"Redshift cannot widen the column {column.name}.",
            change.table,
            schema,
            schema_sql.statement(schema, change).as_string(session.connection),
            error,
            "Run as the table's owner: " + statements.as_string(session.connection),
        )
    return error


def _may_succeed_later(error: psycopg2.Error) -> bool:
    return is_transient(error) or error.pgcode == STATEMENT_TIMEOUT


def _error(
    what: str, table: Table, schema: str, expected: str, error: psycopg2.Error, fix: str
) -> DataError:
    found = " ".join(str(error).split())
    where = f"{schema}.{table.name}"
    return DataError(what, where=where, expected=expected, found=found, fix=fix)


def refusal_error(session: Session, schema: str, refusals: Sequence[Refusal]) -> DataError:
    """Return the error that names every refused difference and the ways to resolve it."""
    tables = [f"{schema}.{refusal.table.name}.{refusal.column}" for refusal in refusals]
    return DataError(
        " ".join(dict.fromkeys(refusal.reason.value for refusal in refusals)),
        where=", ".join(tables),
        expected=_list_columns((refusal.column, refusal.expected) for refusal in refusals),
        found=_list_columns((refusal.column, refusal.found) for refusal in refusals),
        fix="\n            ".join(_advice(session, schema, refusal) for refusal in refusals),
    )


def _list_columns(columns: Any) -> str:
    return ", ".join(f"{name} {ddl}" if ddl else f"no column {name}" for name, ddl in columns)


def _advice(session: Session, schema: str, refusal: Refusal) -> str:
    together = ORDERS_TABLES if refusal.table in ORDERS_TABLES else (refusal.table,)
    statements = schema_sql.remedy(schema, refusal, together).as_string(session.connection)
    name = refusal.column
    match refusal.reason:
        case Reason.UNKNOWN_COLUMN:
            keep, otherwise = f"Add {name} to contract.py", "if its values are not needed"
        case Reason.NEW_AND_REQUIRED:
            keep = f"Make {name} not required in contract.py"
            otherwise = "to load everything again from the sources"
        case Reason.NARROWER | Reason.OTHER_TYPE:
            keep = f"Give {name} the type {refusal.found} in contract.py"
            otherwise = "if every value fits"
        case _:
            keep, otherwise = f"Make {name} required in contract.py", "to allow NULL"
    return f"{keep}; or, {otherwise}, run as the table's owner: {statements}"
