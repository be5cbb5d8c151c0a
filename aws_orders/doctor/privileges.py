"""The user's privileges on the database, the schema and the tables, read-only.

The privilege functions of Redshift run on the leader node, so their arguments are values, never
columns: https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_functions_leader_node_only.html
"""

from collections.abc import Iterator, Sequence
from functools import partial

from psycopg2.sql import SQL, Composed, Identifier

from aws_orders.contract import TABLES, Table
from aws_orders.doctor.checks import Check, Problem
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.session import Session

SCHEMA_PRIVILEGES = ("usage", "create")
# What the statements of loads and queries require.
TABLE_PRIVILEGES = ("select", "insert", "delete")
SCHEMA_EXISTS = "SELECT count(*) FROM pg_namespace WHERE nspname = %s"
TABLE_EXISTS = "SELECT count(*) FROM pg_tables WHERE schemaname = %s AND tablename = %s"


def privileges(redshift: RedshiftResource, session: Session) -> Iterator[Check]:
    """Check what the user may do with the database, the schema and the tables."""
    schema, database = redshift.schema_name, redshift.database
    yield Check("warehouse: temporary tables", partial(_on_database, session, database))
    yield Check(f"warehouse: schema {schema}", partial(_on_schema, session, schema))
    for table in TABLES:
        inspect = partial(_on_table, session, schema, table)
        yield Check(f"warehouse: table {table.name}", inspect)
    yield Check("warehouse: rows that COPY rejects", partial(_on_load_errors, session))


def _on_database(session: Session, database: str) -> str | Problem:
    if _has_privilege(session, "database", database, "temp"):
        return "allowed"
    target = SQL("DATABASE {}").format(Identifier(database))
    return Problem("denied", "TEMPORARY on the database", _grant(session, "TEMPORARY", target))


def _on_schema(session: Session, schema: str) -> str | Problem:
    target = SQL("SCHEMA {}").format(Identifier(schema))
    if not session.scalar(SCHEMA_EXISTS, (schema,)):
        create = SQL("CREATE {};").format(target).as_string(session.connection)
        return Problem("it does not exist", schema, f"{create} Or correct REDSHIFT_SCHEMA.")
    if missing := _missing(session, "schema", schema, SCHEMA_PRIVILEGES):
        return Problem(f"no {missing}", "USAGE and CREATE on it", _grant(session, missing, target))
    return "usage and create"


def _on_table(session: Session, schema: str, table: Table) -> str | Problem:
    if not session.scalar(TABLE_EXISTS, (schema, table.name)):
        return "it does not exist yet; the first run creates it"
    name = SQL("{}").format(Identifier(schema, table.name))
    text = name.as_string(session.connection)
    if missing := _missing(session, "table", text, TABLE_PRIVILEGES):
        required = ", ".join(TABLE_PRIVILEGES).upper()
        grant = _grant(session, missing, SQL("TABLE {}").format(name))
        return Problem(f"no {missing}", required, grant)
    return ", ".join(TABLE_PRIVILEGES)


def _on_load_errors(session: Session) -> str:
    session.scalar("SELECT count(*) FROM sys_load_error_detail WHERE query_id = -1")
    return "readable"


def _missing(session: Session, kind: str, name: str, required: Sequence[str]) -> str:
    """Return the privileges that the user lacks, in capitals; empty: none."""
    missing = [each for each in required if not _has_privilege(session, kind, name, each)]
    return ", ".join(missing).upper()


def _has_privilege(session: Session, kind: str, name: str, privilege: str) -> bool:
    query = SQL("SELECT {}(%s, %s)").format(Identifier(f"has_{kind}_privilege"))
    return bool(session.scalar(query, (name, privilege)))


def _grant(session: Session, missing: str, target: Composed) -> str:
    user = Identifier(str(session.scalar("SELECT current_user")))
    statement = SQL("GRANT {} ON {} TO {};").format(SQL(missing), target, user)
    return "Run as an owner or admin: " + statement.as_string(session.connection)
