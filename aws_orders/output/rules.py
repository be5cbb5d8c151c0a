"""What the rows in the warehouse are asked: each rule as SQL, pure.

A rule has an aggregate that counts what breaks it, so that one scan of a table answers all of
its rules, and a query for every row at fault, which a person can run as it is shown. Reporting
what they find is `checks`' business; a file's rows are checked by `product_file` and COPY.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2.sql import SQL, Composed, Identifier

from aws_orders.contract import ORDERS, ORDERS_LOADS, ORDERS_REJECTED, PRODUCTS


@dataclass(frozen=True)
class Rule:
    """Something that holds for every row of a table.

    Attributes:
        name: The check's name.
        asks: The rule as a sentence.
        count: Aggregate over the table's scan that counts what breaks the rule.
        faulty: Query for all of that, the plainest examples first. It names no personal data.
        blocking: Nothing is published while it is broken.
    """

    name: str
    asks: str
    count: SQL
    faulty: SQL
    blocking: bool = False


def _row(name: str, asks: str, fault: str, shown: str, scan: str) -> Rule:
    """Return a rule that a row breaks by itself.

    `fault` is true for such a row; `shown` names the columns that tell it apart.
    """
    return Rule(
        name,
        asks,
        SQL(f"coalesce(sum(CASE WHEN {fault} THEN 1 ELSE 0 END), 0)"),
        SQL(f"SELECT {shown}\n{scan}\nWHERE {fault}\nORDER BY 1"),
    )


PRODUCTS_SCAN = "FROM {products} AS products"
# DISTINCT: a product that is there twice must not count its orders twice.
ORDERS_SCAN = """\
FROM {orders} AS orders
LEFT JOIN (SELECT DISTINCT product_id AS id FROM {products}) AS known
  ON known.id = orders.product_id"""

PRODUCT_RULES = (
    Rule(
        "product_ids_are_unique",
        "Every product has an id that no other has: a second one would multiply orders.",
        SQL("count(*) - count(DISTINCT product_id)"),
        SQL(
            "SELECT product_id, count(*) AS products\nFROM {products}\nGROUP BY product_id\n"
            "HAVING count(*) > 1 OR product_id IS NULL\nORDER BY 2 DESC, 1"
        ),
        blocking=True,
    ),
    _row(
        "products_have_names",
        "Every product has a name.",
        "product_name IS NULL OR trim(product_name) = ''",
        "product_id, product_name, brand",
        PRODUCTS_SCAN,
    ),
)

ORDER_RULES = (
    Rule(
        "orders_have_ids",
        "Every order has an id.",
        SQL("count(*) - count(order_id)"),
        SQL(
            "SELECT load_id, count(*) AS orders\nFROM {orders}\nWHERE order_id IS NULL\n"
            "GROUP BY load_id\nORDER BY 2 DESC, 1"
        ),
        blocking=True,
    ),
    Rule(
        "order_ids_are_unique",
        "No order id comes twice, in one delivery or in two; all such rows are published.",
        SQL("count(order_id) - count(DISTINCT order_id)"),
        SQL(
            "SELECT order_id, count(*) AS orders, min(load_id) AS first_load,"
            " max(load_id) AS last_load\nFROM {orders}\nGROUP BY order_id\n"
            "HAVING count(*) > 1\nORDER BY 2 DESC, 1"
        ),
    ),
    _row(
        "totals_add_up",
        "Every order has a total: price times quantity, to the cent.",
        "total IS NULL OR abs(total - price * quantity) > 0.01",
        "order_id, load_id, price, quantity, total",
        ORDERS_SCAN,
    ),
    _row(
        "quantities_are_positive",
        "Every order has a quantity above 0.",
        "quantity IS NULL OR quantity <= 0",
        "order_id, load_id, quantity",
        ORDERS_SCAN,
    ),
    _row(
        "prices_are_not_negative",
        "Every order has a price, 0 or more.",
        "price IS NULL OR price < 0",
        "order_id, load_id, price",
        ORDERS_SCAN,
    ),
    _row(
        "emails_are_plausible",
        "Every order has an e-mail address of the form name@domain.tld.",
        "customer_email IS NULL OR customer_email NOT LIKE '%_@_%._%'"
        " OR customer_email LIKE '%@%@%' OR customer_email LIKE '% %'",
        "order_id, load_id",
        ORDERS_SCAN,
    ),
    Rule(
        "products_are_known",
        "Every order's product is known; other orders are in output/unmatched_orders.csv.",
        SQL("count(*) - count(known.id)"),
        SQL(
            "SELECT product_id, count(*) AS orders\n"
            + ORDERS_SCAN
            + "\nWHERE known.id IS NULL\nGROUP BY product_id\nORDER BY 2 DESC, 1"
        ),
    ),
)

# Each load: the records of its deliveries, counted apart from COPY (NULL where an earlier version
# of the platform loaded one), and where they are now.
_ACCOUNTS = """\
SELECT coalesce(loads.load_id, loaded.load_id) AS load_id,
       coalesce(loads.deliveries, 0) AS deliveries,
       loads.records AS records,
       coalesce(rejected.row_count, 0) AS rows_rejected,
       coalesce(loads.load_rows, 0) AS rows_in_ledger,
       coalesce(loaded.row_count, 0) AS rows_in_table
FROM (
    SELECT load_id, count(*) AS deliveries, min(load_rows) AS load_rows,
           CASE WHEN count(records) = count(*) THEN sum(records) END AS records
    FROM {orders_loads}
    GROUP BY load_id
) AS loads
FULL JOIN (SELECT load_id, count(*) AS row_count FROM {orders} GROUP BY load_id) AS loaded
  ON loaded.load_id = loads.load_id
LEFT JOIN (
    SELECT load_id, count(*) AS row_count FROM {orders_rejected} GROUP BY load_id
) AS rejected
  ON rejected.load_id = loads.load_id"""
LOADS_DIFFER = SQL(
    "SELECT load_id, deliveries, records, rows_rejected, rows_in_ledger, rows_in_table\n"
    f"FROM (\n{_ACCOUNTS}\n) AS accounts\n"
    "WHERE rows_in_table <> rows_in_ledger OR records <> rows_in_ledger + rows_rejected\n"
    "ORDER BY 1"
)
# Rows and records that are missing or too many; rows by the ledger; rejected rows; deliveries
# whose records nobody counted.
ACCOUNTED = SQL(
    "SELECT coalesce(sum(abs(rows_in_table - rows_in_ledger)\n"
    "                    + abs(coalesce(records, rows_in_ledger + rows_rejected)\n"
    "                          - rows_in_ledger - rows_rejected)), 0),\n"
    "       coalesce(sum(rows_in_ledger), 0), coalesce(sum(rows_rejected), 0),\n"
    "       coalesce(sum(CASE WHEN records IS NULL THEN deliveries ELSE 0 END), 0)\n"
    f"FROM (\n{_ACCOUNTS}\n) AS accounts"
)
REJECTED = SQL("""\
SELECT load_id, delivery, count(*) AS rows_at_fault, min(line) AS first_line,
       min(reason) AS a_reason
FROM {orders_rejected}
GROUP BY load_id, delivery
ORDER BY 1, 2""")
REJECTED_ROWS = SQL("SELECT count(*) FROM {orders_rejected}")


def tally(schema: str, rules: Sequence[Rule], scan: str) -> Composed:
    """SELECT the number of rows that `scan` finds, and for each rule how many break it."""
    counts = [SQL("count(*)"), *(rule.count for rule in rules)]
    return SQL("SELECT {}\n{}").format(SQL(",\n       ").join(counts), filled(SQL(scan), schema))


def filled(template: SQL, schema: str) -> Composed:
    """Return a query of this module with the tables' full names."""
    tables = (ORDERS, ORDERS_LOADS, ORDERS_REJECTED, PRODUCTS)
    return template.format(**{table.name: Identifier(schema, table.name) for table in tables})
