"""The contract: the tables' columns, types, keys and meanings, in this one place.

DDL, header checks, COPY's column lists, the published file's columns and Dagster's column
schemas are all derived from here. What belongs elsewhere: how SQL is written (`sql`), how files
are read (`csv_header`, `product_file`), where things lie (`settings`).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class SqlType:
    """A Redshift type; `max_bytes` is what a text may take in UTF-8 (VARCHAR counts bytes)."""

    ddl: str
    max_bytes: int | None = None

    @property
    def is_text(self) -> bool:
        """Whether values are free text, as opposed to numbers."""
        return self.max_bytes is not None


def varchar(max_bytes: int) -> SqlType:
    """Return the type of a text of at most `max_bytes` bytes of UTF-8."""
    return SqlType(f"VARCHAR({max_bytes})", max_bytes)


# BIGINT on both sides of the join: Redshift compares int = varchar as strings.
ID = SqlType("BIGINT")
COUNT = SqlType("INTEGER")
MONEY = SqlType("DECIMAL(12,2)")


@dataclass(frozen=True)
class Column:
    """One column: what it is called, what it holds, whether it must be there, whose data it is."""

    name: str
    type: SqlType
    meaning: str
    required: bool = False
    personal: bool = False


@dataclass(frozen=True)
class Table:
    """A table and the columns of the files that feed it; `key` names the identifying column."""

    name: str
    key: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in the contract's order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column | None:
        """Return the column called `name`, or None where the contract knows none."""
        return next((column for column in self.columns if column.name == name), None)


PRODUCTS = Table(
    name="products",
    key="product_id",
    columns=(
        Column("product_id", ID, "Identifies the product; unique.", required=True),
        Column("product_name", varchar(512), "What the product is called.", required=True),
        Column("product_category", varchar(256), "The part of the range it belongs to."),
        Column("brand", varchar(256), "Whose product it is."),
    ),
)

ORDERS = Table(
    name="orders",
    key="order_id",
    columns=(
        Column("order_id", ID, "Identifies the order.", required=True),
        Column("customer_name", varchar(512), "Who ordered.", personal=True),
        Column("customer_email", varchar(512), "Where to reach who ordered.", personal=True),
        Column("product_id", ID, "The product ordered; orders of unknown ones are set apart."),
        Column("price", MONEY, "Price of one piece, rounded to the cent."),
        Column("quantity", COUNT, "How many pieces."),
        Column("total", MONEY, "What the order comes to, rounded to the cent."),
    ),
)


@dataclass(frozen=True)
class Published:
    """A column of the published file: its name, and the table and column it comes from."""

    name: str
    table: Table
    source: str

    @property
    def column(self) -> Column:
        """The source column, under the published name."""
        origin = self.table.column(self.source)
        assert origin is not None, f"{self.table.name} has no column {self.source}"  # noqa: S101
        return Column(self.name, origin.type, origin.meaning, origin.required, origin.personal)


DETAILED_ORDERS = (
    Published("order_id", ORDERS, "order_id"),
    Published("customer_name", ORDERS, "customer_name"),
    Published("customer_email", ORDERS, "customer_email"),
    Published("product_id", ORDERS, "product_id"),
    Published("product_name", PRODUCTS, "product_name"),
    Published("product_category", PRODUCTS, "product_category"),
    Published("product_brand", PRODUCTS, "brand"),
    Published("price", ORDERS, "price"),
    Published("quantity", ORDERS, "quantity"),
    Published("total", ORDERS, "total"),
)
