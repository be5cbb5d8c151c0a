"""What the cluster holds before any client comes: the role, the database, Redshift's own names.

Belongs here: the owner's connections, few and short. Does not belong here: the platform's
tables, and what the names mean (system.sql).
"""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import cursor
from psycopg2.sql import SQL, Identifier, Literal

from laptop_aws.postgres import SUPERUSER

_SYSTEM = Path(__file__).with_name("system.sql")
# The data directory's path may be too long for a socket's.
_HERE = Path("/proc/self/cwd")


def wait_for_postgres(seconds: float) -> None:
    """Return as soon as PostgreSQL takes connections; raise TimeoutError when it never does."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with _administrator("postgres"):
                return
        except psycopg2.OperationalError as failure:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"PostgreSQL took no connection for {seconds:.0f} s"
                ) from failure
        time.sleep(0.01)


def bootstrap(database: str, user: str, password: str) -> None:
    """Create what is missing of role, database and system objects, and set the password."""
    role = Identifier(user)
    with _administrator("postgres") as admin:
        _create(admin, "SELECT FROM pg_roles WHERE rolname = %s", SQL("CREATE ROLE {}"), user)
        admin.execute(
            SQL("ALTER ROLE {} LOGIN NOSUPERUSER PASSWORD {}").format(role, Literal(password))
        )
        exists = "SELECT FROM pg_database WHERE datname = %s"
        _create(admin, exists, SQL("CREATE DATABASE {}"), database)
        admin.execute(SQL("ALTER DATABASE {} OWNER TO {}").format(Identifier(database), role))
    with _administrator(database) as admin:
        admin.execute(_SYSTEM.read_text())


def record(database: str, rows: list[dict[str, Any]]) -> None:
    """Write load errors from outside the client's transaction, so that they survive it."""
    with _administrator(database) as admin:
        admin.execute(
            "INSERT INTO redshift.load_errors SELECT *"
            " FROM jsonb_populate_recordset(NULL::redshift.load_errors, %s)",
            (json.dumps(rows),),
        )


@contextmanager
def _administrator(database: str) -> Iterator[cursor]:
    """Connect as the cluster's owner, in autocommit."""
    host = str(_HERE if _HERE.exists() else Path.cwd())
    with closing(
        psycopg2.connect(host=host, port=5432, user=SUPERUSER, dbname=database, sslmode="disable")
    ) as connection:
        connection.autocommit = True
        with connection.cursor() as admin:
            yield admin


def _create(admin: cursor, exists: str, statement: SQL, name: str) -> None:
    admin.execute(exists, (name,))
    if not admin.rowcount:
        admin.execute(statement.format(Identifier(name)))
