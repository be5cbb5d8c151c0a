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
TIME = SqlType("TIMESTAMP")


@dataclass(frozen=True)
class Column:
    """One column: what it is called, what it holds, and what is asked of it.

    Attributes:
        required: Every row must have a value.
        personal: It is somebody's data.
        address: It is an e-mail address, masked wherever rows are shown.
        optional: Files may lack the column altogether.
    """

    name: str
    type: SqlType
    meaning: str
    required: bool = False
    personal: bool = False
    optional: bool = False
    address: bool = False


@dataclass(frozen=True)
class Table:
    """A table and the columns of the files that feed it.

    Attributes:
        key: The column that identifies a row.
        added: Columns that the warehouse has beyond those of the files.
    """

    name: str
    key: str
    columns: tuple[Column, ...]
    added: tuple[Column, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in the contract's order."""
        return tuple(column.name for column in self.columns)

    @property
    def expected(self) -> tuple[str, ...]:
        """The names of the columns that every file must have."""
        return tuple(column.name for column in self.columns if not column.optional)

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

LOAD_ID = Column("load_id", ID, "The load that brought the row; later loads count higher.", True)

ORDERS = Table(
    name="orders",
    key="order_id",
    columns=(
        Column("order_id", ID, "Identifies the order.", required=True),
        Column("customer_name", varchar(512), "Who ordered.", personal=True),
        Column(
            "customer_email",
            varchar(512),
            "Where to reach who ordered.",
            personal=True,
            address=True,
        ),
        Column("product_id", ID, "The product ordered; orders of unknown ones are set apart."),
        Column("price", MONEY, "Price of one piece, rounded to the cent."),
        Column("quantity", COUNT, "How many pieces."),
        Column("total", MONEY, "What the order comes to, rounded to the cent."),
        Column("order_date", TIME, "When it was placed; older files lack it.", optional=True),
    ),
    added=(LOAD_ID,),
)

# The ledger: it commits with the rows, and so always says what the orders table holds.
ORDERS_LOADS = Table(
    name="orders_loads",
    key="delivery",
    columns=(
        LOAD_ID,
        Column("delivery", varchar(1024), "Key of the file on S3.", required=True),
        Column("etag", varchar(128), "S3's mark of the content that was loaded.", required=True),
        Column("size", ID, "Bytes of the file.", required=True),
        Column("load_rows", ID, "Rows of the whole load, all its files together.", required=True),
        Column("run_id", varchar(64), "The Dagster run that loaded it.", required=True),
        Column("loaded_at", TIME, "When, in UTC.", required=True),
        Column("records", ID, "Records of the file, counted apart from COPY; older loads: none."),
    ),
)

# Rows that COPY refused and a person allowed to be set apart: where each stands, and why. It
# commits with the rows too; the rows themselves are in the quarantine on S3.
ORDERS_REJECTED = Table(
    name="orders_rejected",
    key="line",
    columns=(
        LOAD_ID,
        Column("delivery", varchar(1024), "Key of the file on S3.", required=True),
        Column("line", ID, "The row's line in the file; the header is line 1.", required=True),
        Column("column_name", varchar(127), "The column at fault, where one is."),
        Column("reason", varchar(1024), "What Redshift said of it.", required=True),
    ),
)


# They commit together, and are locked in this order.
ORDERS_TABLES = (ORDERS, ORDERS_LOADS, ORDERS_REJECTED)
TABLES = (PRODUCTS, *ORDERS_TABLES)


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

# The published file as a table: what it is read back into before it is published.
PUBLISHED = Table(
    name="detailed_orders",
    key="order_id",
    columns=tuple(published.column for published in DETAILED_ORDERS),
)
