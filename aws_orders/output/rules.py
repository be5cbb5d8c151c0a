"""The rules for the rows in the warehouse, as SQL. Pure.

A rule has an aggregate that counts faults, so one scan of a table evaluates all of its rules, and
a query that selects the faulty rows, that you can paste into a SQL client. See `checks` for
evaluating and reporting them. Rows of files are checked by `products.products_file` and by COPY.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2.sql import SQL, Composed, Identifier

from aws_orders.contract import ORDERS, ORDERS_LOADS, ORDERS_REJECTED, PRODUCTS
from aws_orders.rows.wording import counted


@dataclass(frozen=True)
class Rule:
    """A rule that holds for every row of a table.

    Attributes:
        name: The check's name.
        description: The rule as a sentence.
        fault: What a faulty row has, as a noun phrase: "a duplicate id".
        count: Aggregate over the table's scan that counts faults.
        faulty: Query for all faults, the clearest examples first. It selects no personal data.
        blocking: Whether a fault stops the publication.
    """

    name: str
    description: str
    fault: str
    count: SQL
    faulty: SQL
    blocking: bool = False

    def result(self, faults: int, rows: int, noun: str) -> str:
        """Return the result as a sentence, such as "1 of 110 orders has a duplicate id.".

        Args:
            faults: The number of faults.
            rows: The table's number of rows.
            noun: A row of the table, in singular.
        """
        verb = "has" if faults == 1 else "have"
        return f"{faults:,} of {counted(rows, noun)} {verb} {self.fault}."


def _row_rule(
    name: str, description: str, fault: str, *, condition: str, columns: str, scan: str
) -> Rule:
    """Return a rule about single rows.

    `condition` is true for a faulty row; `columns` are selected to identify it.
    """
    return Rule(
        name,
        description,
        fault,
        SQL(f"coalesce(sum(CASE WHEN {condition} THEN 1 ELSE 0 END), 0)"),
        SQL(f"SELECT {columns}\n{scan}\nWHERE {condition}\nORDER BY 1"),
    )


PRODUCTS_SCAN = "FROM {products} AS products"
# DISTINCT: a duplicate product must not count its orders twice.
ORDERS_SCAN = """\
FROM {orders} AS orders
LEFT JOIN (SELECT DISTINCT product_id AS id FROM {products}) AS known
  ON known.id = orders.product_id"""

PRODUCT_RULES = (
    Rule(
        "product_ids_are_unique",
        "Every product has a unique id. A duplicate would multiply orders in the output.",
        "a duplicate or missing id",
        SQL("count(*) - count(DISTINCT product_id)"),
        SQL(
            "SELECT product_id, count(*) AS products\nFROM {products}\nGROUP BY product_id\n"
            "HAVING count(*) > 1 OR product_id IS NULL\nORDER BY 2 DESC, 1"
        ),
        blocking=True,
    ),
    _row_rule(
        "products_have_names",
        "Every product has a name.",
        "no name",
        condition="product_name IS NULL OR trim(product_name) = ''",
        columns="product_id, product_name, brand",
        scan=PRODUCTS_SCAN,
    ),
)

ORDER_RULES = (
    Rule(
        "orders_have_ids",
        "Every order has an id.",
        "no id",
        SQL("count(*) - count(order_id)"),
        SQL(
            "SELECT load_id, count(*) AS orders\nFROM {orders}\nWHERE order_id IS NULL\n"
            "GROUP BY load_id\nORDER BY 2 DESC, 1"
        ),
        blocking=True,
    ),
    Rule(
        "order_ids_are_unique",
        "Every order id is unique in and across deliveries. Duplicates are published.",
        "a duplicate id",
        SQL("count(order_id) - count(DISTINCT order_id)"),
        SQL(
            "SELECT order_id, count(*) AS orders, min(load_id) AS first_load,"
            " max(load_id) AS last_load\nFROM {orders}\nGROUP BY order_id\n"
            "HAVING count(*) > 1\nORDER BY 2 DESC, 1"
        ),
    ),
    _row_rule(
        "totals_add_up",
        "Every order has a total: price times quantity, to the cent.",
        "a wrong or missing total",
        condition="total IS NULL OR abs(total - price * quantity) > 0.01",
        columns="order_id, load_id, price, quantity, total",
        scan=ORDERS_SCAN,
    ),
    _row_rule(
        "quantities_are_positive",
        "Every order has a quantity above 0.",
        "no quantity above 0",
        condition="quantity IS NULL OR quantity <= 0",
        columns="order_id, load_id, quantity",
        scan=ORDERS_SCAN,
    ),
    _row_rule(
        "prices_are_not_negative",
        "Every order has a price of 0 or more.",
        "a negative or missing price",
        condition="price IS NULL OR price < 0",
        columns="order_id, load_id, price",
        scan=ORDERS_SCAN,
    ),
    _row_rule(
        "emails_are_plausible",
        "Every order has an e-mail address of the form name@domain.tld.",
        "an implausible or missing e-mail address",
        condition="customer_email IS NULL OR customer_email NOT LIKE '%_@_%._%'"
        " OR customer_email LIKE '%@%@%' OR customer_email LIKE '% %'",
        columns="order_id, load_id",
        scan=ORDERS_SCAN,
    ),
    Rule(
        "products_are_known",
        "Every order has a known product. Other orders are in output/unmatched_orders.csv.",
        "an unknown or missing product",
        SQL("count(*) - count(known.id)"),
        SQL(
            "SELECT product_id, count(*) AS orders\n"
            + ORDERS_SCAN
            + "\nWHERE known.id IS NULL\nGROUP BY product_id\nORDER BY 2 DESC, 1"
        ),
    ),
)

# Per load: the records of its deliveries, counted independently of COPY (NULL if an earlier version
# of the platform loaded one of them), and the rows that they became.
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
# Rows and records that are missing or extra; rows in the ledger; rejected rows; deliveries whose
# records were not counted.
RECONCILED = SQL(
    "SELECT coalesce(sum(abs(rows_in_table - rows_in_ledger)\n"
    "                    + abs(coalesce(records, rows_in_ledger + rows_rejected)\n"
    "                          - rows_in_ledger - rows_rejected)), 0),\n"
    "       coalesce(sum(rows_in_ledger), 0), coalesce(sum(rows_rejected), 0),\n"
    "       coalesce(sum(CASE WHEN records IS NULL THEN deliveries ELSE 0 END), 0)\n"
    f"FROM (\n{_ACCOUNTS}\n) AS accounts"
)
REJECTED_DELIVERIES = SQL("""\
SELECT load_id, delivery, count(*) AS rows_at_fault, min(line) AS first_line,
       min(reason) AS a_reason
FROM {orders_rejected}
GROUP BY load_id, delivery
ORDER BY 1, 2""")
COUNT_REJECTED = SQL("SELECT count(*) FROM {orders_rejected}")


def tally(schema: str, rules: Sequence[Rule], scan: str) -> Composed:
    """SELECT the number of rows of `scan` and the number of faults of each rule."""
    counts = [SQL("count(*)"), *(rule.count for rule in rules)]
    return SQL("SELECT {}\n{}").format(SQL(",\n       ").join(counts), filled(SQL(scan), schema))


def filled(template: SQL, schema: str) -> Composed:
    """Return a query of this module with the tables' qualified names."""
    tables = (ORDERS, ORDERS_LOADS, ORDERS_REJECTED, PRODUCTS)
    return template.format(**{table.name: Identifier(schema, table.name) for table in tables})
