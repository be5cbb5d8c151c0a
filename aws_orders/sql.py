"""The SQL that the platform sends, as psycopg2.sql compositions: no connection, no I/O.

Names are quoted as identifiers, values as literals; only the contract's types and constants of
this module stand in the text as they are. Columns are always listed: nothing depends on a
table's physical order. The laptop's warehouse and Redshift get the same bytes.
"""

from collections.abc import Iterable, Sequence

from psycopg2.extensions import connection, cursor
from psycopg2.sql import SQL, Composable, Composed, Identifier, Literal, Placeholder

from aws_orders.contract import (
    DETAILED_ORDERS,
    LOAD_ID,
    ORDERS,
    ORDERS_LOADS,
    ORDERS_REJECTED,
    PRODUCTS,
    Column,
    Published,
    Table,
    varchar,
)

# A column of a delivery that the contract does not know; nothing is read from it.
UNKNOWN = varchar(65535)
# Share of the DynamoDB table's provisioned throughput that COPY may use; required:
# https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-source-dynamodb.html
READRATIO = 50


def names(columns: Iterable[str]) -> Composed:
    """Return a quoted, comma-separated list of names."""
    return SQL(", ").join(map(Identifier, columns))


def create_table(schema: str, table: Table) -> Composed:
    """CREATE TABLE where it is missing.

    Distribution, sort keys and encodings are left to Redshift (AUTO is its default). No primary
    key: Redshift does not enforce one, and plans wrongly by a false one.
    https://docs.aws.amazon.com/redshift/latest/dg/t_Defining_constraints.html
    """
    return SQL("CREATE TABLE IF NOT EXISTS {} (\n    {}\n)").format(
        Identifier(schema, table.name), _definitions(table.columns + table.added)
    )


def create_stage(stage: str, table: Table, columns: Sequence[str]) -> Composed:
    """CREATE a temporary table with `columns` in a file's own order, to COPY that file into."""
    known = [table.column(name) or Column(name, UNKNOWN, "") for name in columns]
    return SQL("CREATE TEMP TABLE {} (\n    {}\n)").format(Identifier(stage), _definitions(known))


def drop_stage(stage: str) -> Composed:
    """DROP a temporary table where it exists."""
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
    """COPY the CSV files that a manifest lists into `stage`, whose columns are the files' own.

    With `max_errors` above 0 it skips rows that it cannot load, up to that many, with only a
    notice: look up what was skipped.

    ROUNDEC, because COPY truncates surplus decimals otherwise; EMPTYASNULL, so that "" is as
    absent as nothing; COMPUPDATE and STATUPDATE OFF, because the stage lives for a moment.
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
    """COPY a DynamoDB table's items into `stage`; attributes are matched to columns by name."""
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

    It must be the transaction's first statement: with a snapshot (of the first SELECT or change)
    that is older than the lock, two refreshes both insert.
    """
    return SQL("LOCK TABLE {}").format(Identifier(schema, table.name))


def delete_all(schema: str, table: Table) -> Composed:
    """DELETE every row; not TRUNCATE, which would commit the transaction it stands in."""
    return SQL("DELETE FROM {}").format(Identifier(schema, table.name))


def insert_from_stage(schema: str, table: Table, stage: str) -> Composed:
    """INSERT the contract's columns of `stage` into the table."""
    columns = names(table.names)
    return SQL("INSERT INTO {} ({})\nSELECT {}\nFROM {}").format(
        Identifier(schema, table.name), columns, columns, Identifier(stage)
    )


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


def insert_rows(schema: str, table: Table, rows: int) -> Composed:
    """INSERT `rows` rows; the argument is their values in the contract's order."""
    row = SQL("({})").format(SQL(", ").join([Placeholder()] * len(table.columns)))
    return SQL("INSERT INTO {} ({})\nVALUES {}").format(
        Identifier(schema, table.name),
        names(table.names),
        SQL(",\n       ").join([row] * rows),
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


def count_rows(schema: str, table: Table) -> Composed:
    """SELECT a table's number of rows."""
    return SQL("SELECT count(*) FROM {}").format(Identifier(schema, table.name))


def sum_of(stage: str, column: str) -> Composed:
    """SELECT a temporary table's number of rows, and the sum of one of its columns."""
    return SQL("SELECT count(*), coalesce(sum({}), 0)\nFROM {}").format(
        Identifier(column), Identifier(stage)
    )


def sample(schema: str, table: Table) -> Composed:
    """SELECT the contract's columns, in no order: a LIMIT is added."""
    return SQL("SELECT {}\nFROM {}").format(names(table.names), Identifier(schema, table.name))


def select_detailed(schema: str) -> Composed:
    """SELECT every order whose product is known, with that product's columns.

    Sorted by all columns, order_id first: whatever repeats, the file comes out the same.
    """
    return SQL(
        "SELECT\n    {}\n"
        "FROM {} AS orders\n"
        "JOIN {} AS products ON products.product_id = orders.product_id\n"
        "ORDER BY {}"
    ).format(
        SQL(",\n    ").join(map(_published, DETAILED_ORDERS)),
        Identifier(schema, ORDERS.name),
        Identifier(schema, PRODUCTS.name),
        names(column.name for column in DETAILED_ORDERS),
    )


def select_revenue(schema: str) -> Composed:
    """SELECT orders and revenue of what is detailed: a row a category, a row a month.

    The last column tells them apart: 0 where the row is a category's. Orders without a date
    are in the month NULL.
    """
    return SQL("""\
SELECT product_category, order_month, count(*), coalesce(sum(total), 0),
       grouping(product_category)
FROM (
    SELECT products.product_category, date_trunc('month', orders.order_date) AS order_month,
           orders.total
    FROM {orders} AS orders
    JOIN {products} AS products ON products.product_id = orders.product_id
) AS detailed
GROUP BY GROUPING SETS ((product_category), (order_month))
ORDER BY 5, 4 DESC, 1, 2""").format(
        orders=Identifier(schema, ORDERS.name), products=Identifier(schema, PRODUCTS.name)
    )


def _published(column: Published) -> Composed:
    return SQL("{} AS {}").format(
        Identifier(column.table.name, column.source), Identifier(column.name)
    )


def select_unmatched(schema: str) -> Composed:
    """SELECT every order whose product is not known, or that names none."""
    return SQL(
        "SELECT\n    {}\n"
        "FROM {} AS orders\n"
        "LEFT JOIN {} AS products ON products.product_id = orders.product_id\n"
        "WHERE products.product_id IS NULL\n"
        "ORDER BY {}"
    ).format(
        SQL(",\n    ").join(Identifier("orders", name) for name in ORDERS.names),
        Identifier(schema, ORDERS.name),
        Identifier(schema, PRODUCTS.name),
        SQL(", ").join(Identifier("orders", name) for name in ORDERS.names),
    )


def unload(
    query: Composable, uri: str, iam_role: str, region: str, context: connection | cursor
) -> Composed:
    """UNLOAD a query's rows to CSV parts under `uri`, in the query's order, with a manifest.

    PARALLEL OFF keeps the order; parts are cut at 6.2 GB. `context` quotes the query.
    https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html
    """
    return SQL(
        "UNLOAD ({})\nTO {}\n{}{}\nFORMAT AS CSV HEADER PARALLEL OFF MANIFEST VERBOSE"
    ).format(
        Literal(query.as_string(context)), Literal(uri), _authorization(iam_role), _region(region)
    )
