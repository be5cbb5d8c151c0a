"""What the cluster holds before any client comes: the role, the database, Redshift's own names.

Belongs here: the bootstrap, run anew at every start. Does not belong here: the platform's tables.
"""

import time

from aws_orders.local.redshift.errors import RedshiftError
from aws_orders.local.redshift.wire import Backend, administrator

_NOT_YET = (FileNotFoundError, ConnectionRefusedError)
_STARTING_UP = "57P03"

# Redshift's names live in pg_catalog, as on Redshift: found under every search_path, and out of
# the way of psql's \d. Process ids start anew with the server, and with them session ids: rows
# about earlier sessions would be taken for one's own.
_SYSTEM = """
SET allow_system_table_mods = on;
SET client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS redshift;
GRANT USAGE ON SCHEMA redshift TO PUBLIC;
CREATE SEQUENCE IF NOT EXISTS redshift.query_ids;
GRANT USAGE ON SEQUENCE redshift.query_ids TO PUBLIC;

CREATE TABLE IF NOT EXISTS redshift.load_errors (
    user_id        integer,
    query_id       bigint,
    transaction_id bigint,
    session_id     integer,
    database_name  varchar(64),
    table_id       integer,
    start_time     timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
    file_name      varchar(1024),
    line_number    bigint,
    column_name    varchar(127),
    column_type    varchar(32),
    column_length  varchar(10),
    position       integer,
    error_code     integer,
    error_message  varchar(512)
);
TRUNCATE redshift.load_errors;
CREATE OR REPLACE VIEW pg_catalog.sys_load_error_detail AS SELECT * FROM redshift.load_errors;
GRANT SELECT ON pg_catalog.sys_load_error_detail TO PUBLIC;

CREATE OR REPLACE FUNCTION redshift.remembered(setting text, otherwise bigint) RETURNS bigint
LANGUAGE sql STABLE AS
$$ SELECT coalesce(nullif(current_setting(setting, true), '')::bigint, otherwise) $$;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT redshift.remembered('redshift.last_copy_count', 0) $$;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_id() RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT redshift.remembered('redshift.last_copy_id', -1) $$;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_unload_count() RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT redshift.remembered('redshift.last_unload_count', 0) $$;

CREATE OR REPLACE FUNCTION pg_catalog.getdate() RETURNS timestamp
LANGUAGE sql STABLE AS $$ SELECT date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC') $$;
"""


def wait_for_postgres(seconds: float) -> None:
    """Return as soon as PostgreSQL takes connections; raise TimeoutError when it never does."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with administrator("postgres"):
                return
        except _NOT_YET:
            pass
        except RedshiftError as failure:
            if failure.sqlstate != _STARTING_UP:
                raise
        if time.monotonic() > deadline:
            raise TimeoutError(f"PostgreSQL took no connection for {seconds:.0f} s")
        time.sleep(0.01)


def bootstrap(database: str, user: str, password: str) -> None:
    """Create what is missing of role, database and system objects, and set the password."""
    with administrator("postgres") as admin:
        _create(admin, "SELECT FROM pg_roles WHERE rolname = $1", "CREATE ROLE %I", user)
        _run(admin, "ALTER ROLE %I LOGIN NOSUPERUSER PASSWORD %L", user, password)
        _create(admin, "SELECT FROM pg_database WHERE datname = $1", "CREATE DATABASE %I", database)
        _run(admin, "ALTER DATABASE %I OWNER TO %I", database, user)
    with administrator(database) as admin:
        admin.script(_SYSTEM)


def _create(admin: Backend, exists: str, template: str, name: str) -> None:
    if not admin.query(exists, name):
        _run(admin, template, name)


def _run(admin: Backend, template: str, *values: str) -> None:
    """Run a statement that takes no parameters, with names (%I) and literals (%L) filled in."""
    slots = ", ".join(f"${number}::text" for number in range(2, len(values) + 2))
    [[statement]] = admin.query("SELECT format($1, " + slots + ")", template, *values)
    admin.query(statement or "")
