"""The SQL of schema evolution: the catalog query, ALTER TABLE, and the statements it advises. Pure.

See `schema_changes` for which changes are needed.
"""

from collections.abc import Sequence

from psycopg2.sql import SQL, Composed, Identifier

from aws_orders.contract import Table
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.schema_changes import (
    AddColumn,
    Change,
    CreateTable,
    Reason,
    Refusal,
)

# Selects the owner of a table; the arguments are its schema and its name.
OWNER = "SELECT tableowner FROM pg_tables WHERE schemaname = %s AND tablename = %s"


def select_columns(schema: str, tables: Sequence[Table]) -> tuple[Composed, tuple[str, ...]]:
    """SELECT the columns of some tables, and the query's arguments.

    information_schema.columns shows a regular user the tables that it owns or has privileges
    on; pg_table_def shows only tables in the search path:
    https://docs.aws.amazon.com/redshift/latest/dg/r_PG_TABLE_DEF.html
    """
    slots = SQL(", ").join([SQL("%s")] * len(tables))
    query = SQL(
        "SELECT table_name, column_name, data_type, character_maximum_length,\n"
        "       numeric_precision, numeric_scale, is_nullable\n"
        "FROM information_schema.columns\n"
        "WHERE table_schema = %s AND table_name IN ({})\n"
        "ORDER BY table_name, ordinal_position"
    ).format(slots)
    return query, (schema, *(table.name for table in tables))


def statement(schema: str, change: Change) -> Composed:
    """Return the statement that makes a change.

    A new column is nullable: NOT NULL would require a default, which would invent values.
    https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html
    """
    match change:
        case CreateTable(table):
            return statements.create_table(schema, table)
        case AddColumn(table, column):
            return _add(schema, table, column.name, column.type.ddl)
    name, ddl = Identifier(change.column.name), SQL(change.column.type.ddl)
    relation = Identifier(schema, change.table.name)
    return SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {}").format(relation, name, ddl)


def remedy(schema: str, refusal: Refusal, tables: Sequence[Table]) -> Composed:
    """Return the statements with which the table's owner can resolve a difference.

    Args:
        schema: The schema of the tables.
        refusal: The difference.
        tables: The refusal's table and all tables that are loaded together with it.
    """
    relation, column = Identifier(schema, refusal.table.name), Identifier(refusal.column)
    match refusal.reason:
        case Reason.UNKNOWN_COLUMN:
            return SQL("ALTER TABLE {} DROP COLUMN {};").format(relation, column)
        case Reason.NEW_AND_REQUIRED:
            drops = [SQL("DROP TABLE {};").format(Identifier(schema, t.name)) for t in tables]
            return SQL(" ").join(drops)
        case Reason.NARROWER:
            ddl = SQL(refusal.expected or "")
            return SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {};").format(relation, column, ddl)
    return rebuild(schema, refusal.table, refusal.column, refusal.expected or "")


def rebuild(schema: str, table: Table, column: str, ddl: str) -> Composed:
    """Return the statements that give a column another type, through a second column.

    They fail before the DROP if a value does not fit. They also reset the compression encoding:
    with some encodings Redshift does not widen a VARCHAR.
    """
    other = f"{column}_new"
    return SQL(" ").join(
        part + SQL(";")
        for part in (
            _add(schema, table, other, ddl),
            SQL("UPDATE {on} SET {other} = CAST({column} AS {ddl})").format(
                on=Identifier(schema, table.name),
                other=Identifier(other),
                column=Identifier(column),
                ddl=SQL(ddl),
            ),
            SQL("ALTER TABLE {} DROP COLUMN {}").format(
                Identifier(schema, table.name), Identifier(column)
            ),
            SQL("ALTER TABLE {} RENAME COLUMN {} TO {}").format(
                Identifier(schema, table.name), Identifier(other), Identifier(column)
            ),
        )
    )


def grant_alter(schema: str, table: Table, user: str) -> Composed:
    """Return the statement that lets a user who does not own a table change its columns."""
    return SQL("GRANT ALTER ON TABLE {} TO {};").format(
        Identifier(schema, table.name), Identifier(user)
    )


def grant_create(schema: str, user: str) -> Composed:
    """Return the statement that lets a user create tables in a schema."""
    return SQL("GRANT USAGE, CREATE ON SCHEMA {} TO {};").format(
        Identifier(schema), Identifier(user)
    )


def _add(schema: str, table: Table, column: str, ddl: str) -> Composed:
    return SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
        Identifier(schema, table.name), Identifier(column), SQL(ddl)
    )
