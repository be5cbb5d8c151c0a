"""Prepare PostgreSQL for clients: the role, the database, and Redshift's system objects.

Only here does the server connect as the cluster's owner. system/*.sql defines the objects.
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
from laptop_aws.redshift.plan import Verb

_SYSTEM = Path(__file__).with_name("system")
# In this order: later files use the objects of earlier ones, and grants is last.
FILES = (
    "load_errors",
    "channel",
    "client_code",
    "columns",
    "rejected_rows",
    "copy",
    "unload",
    "lengths",
    "functions",
    "grants",
)
# A socket's path is limited to 107 bytes, which the data directory's may exceed.
_HERE = Path("/proc/self/cwd")


def wait_for_postgres(seconds: float) -> None:
    """Wait until PostgreSQL accepts connections; raise TimeoutError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with _administrator("postgres"):
                return
        except psycopg2.OperationalError as failure:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"PostgreSQL accepted no connection for {seconds:.0f} s"
                ) from failure
        time.sleep(0.01)


def bootstrap(database: str, user: str, password: str) -> None:
    """Create the role, the database and the system objects if needed, and set the password."""
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
        verbs = SQL("CREATE TYPE redshift.verb AS ENUM ({});").format(
            SQL(", ").join(map(Literal, Verb))
        )
        files = [_system(name) for name in FILES]
        admin.execute("\n".join([_system("schema"), verbs.as_string(admin), *files]))


def record(database: str, rows: list[dict[str, Any]]) -> None:
    """Insert load errors outside the client's transaction, so that its rollback keeps them."""
    with _administrator(database) as admin:
        admin.execute(
            "INSERT INTO redshift.load_errors SELECT *"
            " FROM jsonb_populate_recordset(NULL::redshift.load_errors, %s)",
            (json.dumps(rows),),
        )


def _system(name: str) -> str:
    return (_SYSTEM / f"{name}.sql").read_text()


@contextmanager
def _administrator(database: str) -> Iterator[cursor]:
    """Yield a cursor of the cluster's owner, in autocommit mode."""
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
