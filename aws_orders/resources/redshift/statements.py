"""The SQL that every table needs, as psycopg2.sql compositions. Pure.

Queries of one area are in its folder: `orders.sql`, `output.sql`. See `schema_sql` for the SQL that
changes tables.
"""

from collections.abc import Iterable, Sequence

from psycopg2.extensions import connection, cursor
from psycopg2.sql import SQL, Composable, Composed, Identifier, Literal, Placeholder

from aws_orders.contract import Column, Table, varchar

# The type of a delivery's column that is not in the contract; it is loaded, but not used.
UNKNOWN = varchar(65535)
# Share of the DynamoDB table's provisioned throughput that COPY may use; required:
# https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-source-dynamodb.html
READRATIO = 50


def names(columns: Iterable[str]) -> Composed:
    """Return a quoted, comma-separated list of names."""
    return SQL(", ").join(map(Identifier, columns))


def create_table(schema: str, table: Table) -> Composed:
    """CREATE TABLE if it does not exist.

    Redshift chooses distribution, sort keys and encodings (AUTO is its default). There is no
    primary key: Redshift does not enforce it, and a violated key leads to wrong query results.
    https://docs.aws.amazon.com/redshift/latest/dg/t_Defining_constraints.html
    """
    return SQL("CREATE TABLE IF NOT EXISTS {} (\n    {}\n)").format(
        Identifier(schema, table.name), _definitions(table.columns + table.added)
    )


def create_stage(stage: str, table: Table, columns: Sequence[str]) -> Composed:
    """CREATE a temporary table with `columns` in the order of the file that COPY loads into it."""
    known = [table.column(name) or Column(name, UNKNOWN, "") for name in columns]
    return SQL("CREATE TEMP TABLE {} (\n    {}\n)").format(Identifier(stage), _definitions(known))


def drop_stage(stage: str) -> Composed:
    """DROP a temporary table if it exists."""
    return SQL("DROP TABLE IF EXISTS {}").format(Identifier(stage))


def _definitions(columns: Iterable[Column]) -> Composed:
    return SQL(",\n    ").join(
        SQL("{} {}{}").format(
            Identifier(column.name),
            SQL(column.type.ddl),
            SQL(" NOT NULL" if column.required else ""),
        )
        for column in columns
    )


def copy_deliveries(
    stage: str,
    columns: Sequence[str],
    manifest_uri: str,
    iam_role: str,
    region: str,
    gzip: bool = False,
    max_errors: int = 0,
) -> Composed:
    """COPY the CSV files that a manifest lists into `stage`, which has the files' columns.

    With `max_errors` above 0, COPY skips up to that many rows that it rejects, and reports them
    only in a notice: read `Session.skipped_rows` afterwards.

    ROUNDEC rounds instead of truncating. EMPTYASNULL loads "" as NULL, like a missing value.
    COMPUPDATE and STATUPDATE are OFF because the stage is temporary.
    https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-conversion.html
    """
    return SQL(
        "COPY {} ({})\n"
        "FROM {}\n"
        "{}{}\n"
        "MANIFEST FORMAT AS CSV IGNOREHEADER 1{}\n"
        "ROUNDEC EMPTYASNULL TIMEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF{}"
    ).format(
        Identifier(stage),
        names(columns),
        Literal(manifest_uri),
        _authorization(iam_role),
        _region(region),
        SQL(" GZIP" if gzip else ""),
        SQL(" MAXERROR {}").format(Literal(max_errors)) if max_errors else SQL(""),
    )


def copy_dynamodb(
    stage: str, columns: Sequence[str], dynamodb_table: str, iam_role: str, region: str
) -> Composed:
    """COPY a DynamoDB table's items into `stage`; COPY matches attributes to columns by name."""
    return SQL(
        "COPY {} ({})\nFROM {}\n{}{}\nREADRATIO {} EMPTYASNULL COMPUPDATE OFF STATUPDATE OFF"
    ).format(
        Identifier(stage),
        names(columns),
        Literal(f"dynamodb://{dynamodb_table}"),
        _authorization(iam_role),
        _region(region),
        Literal(READRATIO),
    )


def _authorization(iam_role: str) -> Composable:
    role = SQL("default") if iam_role == "default" else Literal(iam_role)
    return SQL("IAM_ROLE {}").format(role)


def _region(region: str) -> Composable:
    return SQL(" REGION {}").format(Literal(region)) if region else SQL("")


def lock(schema: str, table: Table) -> Composed:
    """LOCK a table.

    This must be the first statement of the transaction. The first SELECT or change takes the
    snapshot; if it is older than the lock, two concurrent loads both insert.
    """
    return SQL("LOCK TABLE {}").format(Identifier(schema, table.name))


def delete_all(schema: str, table: Table) -> Composed:
    """DELETE every row. TRUNCATE would commit the transaction."""
    return SQL("DELETE FROM {}").format(Identifier(schema, table.name))


def insert_from_stage(schema: str, table: Table, stage: str) -> Composed:
    """INSERT the contract's columns of `stage` into the table."""
    columns = names(table.names)
    return SQL("INSERT INTO {} ({})\nSELECT {}\nFROM {}").format(
        Identifier(schema, table.name), columns, columns, Identifier(stage)
    )


def insert_rows(schema: str, table: Table, rows: int) -> Composed:
    """INSERT `rows` rows; the arguments are their values in the contract's order."""
    row = SQL("({})").format(SQL(", ").join([Placeholder()] * len(table.columns)))
    return SQL("INSERT INTO {} ({})\nVALUES {}").format(
        Identifier(schema, table.name),
        names(table.names),
        SQL(",\n       ").join([row] * rows),
    )


def count_rows(schema: str, table: Table) -> Composed:
    """SELECT the number of rows of a table."""
    return SQL("SELECT count(*) FROM {}").format(Identifier(schema, table.name))


def sum_of(stage: str, column: str) -> Composed:
    """SELECT the number of rows of a temporary table and the sum of one of its columns."""
    return SQL("SELECT count(*), coalesce(sum({}), 0)\nFROM {}").format(
        Identifier(column), Identifier(stage)
    )


def sample(schema: str, table: Table) -> Composed:
    """SELECT the contract's columns in any order; the caller adds a LIMIT."""
    return SQL("SELECT {}\nFROM {}").format(names(table.names), Identifier(schema, table.name))


def unload(
    query: Composable, uri: str, iam_role: str, region: str, context: connection | cursor
) -> Composed:
    """UNLOAD a query's rows to CSV parts under `uri`, in the query's order, with a manifest.

    PARALLEL OFF keeps the order; a part has at most 6.2 GB. `context` quotes the query.
    https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html
    """
    return SQL(
        "UNLOAD ({})\nTO {}\n{}{}\nFORMAT AS CSV HEADER PARALLEL OFF MANIFEST VERBOSE"
    ).format(
        Literal(query.as_string(context)), Literal(uri), _authorization(iam_role), _region(region)
    )
