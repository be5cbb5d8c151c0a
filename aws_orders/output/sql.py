"""The SQL of the output: detailed and unmatched orders, revenue."""

from psycopg2.sql import SQL, Composed, Identifier

from aws_orders.contract import DETAILED_ORDERS, ORDERS, PRODUCTS, Published
from aws_orders.resources.redshift.statements import names


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
