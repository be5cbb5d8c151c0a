"""The queries of the output: detailed orders, unmatched orders and revenue. Pure.

See `rules` for the queries of the checks, and `resources.redshift.statements` for the SQL that
any table needs.
"""

from psycopg2.sql import SQL, Composed, Identifier

from aws_orders.contract import ORDERS, PRODUCTS, PUBLISHED_COLUMNS, Published
from aws_orders.resources.redshift.statements import names


def select_detailed(schema: str) -> Composed:
    """SELECT every order whose product is known, with that product's columns.

    Sorted by all columns, order_id first: the file is the same even if rows are repeated.
    """
    return SQL(
        "SELECT\n    {}\n"
        "FROM {} AS orders\n"
        "JOIN {} AS products ON products.product_id = orders.product_id\n"
        "ORDER BY {}"
    ).format(
        SQL(",\n    ").join(map(_published, PUBLISHED_COLUMNS)),
        Identifier(schema, ORDERS.name),
        Identifier(schema, PRODUCTS.name),
        names(column.name for column in PUBLISHED_COLUMNS),
    )


def _published(column: Published) -> Composed:
    return SQL("{} AS {}").format(
        Identifier(column.table.name, column.source), Identifier(column.name)
    )


def select_unmatched(schema: str) -> Composed:
    """SELECT every order whose product is unknown or missing, sorted by all columns."""
    columns = [Identifier("orders", name) for name in ORDERS.names]
    return SQL(
        "SELECT\n    {}\n"
        "FROM {} AS orders\n"
        "LEFT JOIN {} AS products ON products.product_id = orders.product_id\n"
        "WHERE products.product_id IS NULL\n"
        "ORDER BY {}"
    ).format(
        SQL(",\n    ").join(columns),
        Identifier(schema, ORDERS.name),
        Identifier(schema, PRODUCTS.name),
        SQL(", ").join(columns),
    )


def select_revenue(schema: str) -> Composed:
    """SELECT count and revenue of the detailed orders: one row per category and per month.

    The last column is 0 in rows of categories and 1 in rows of months. The month is NULL for
    orders without a date.
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
