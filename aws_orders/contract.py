"""The contract: the columns, types, keys and meanings of all tables and files.

DDL, header checks, column lists, the published file's columns, Dagster's column schemas, masking
and the doctor's test rows derive from it. See `resources.redshift.statements`, `orders.sql`,
`output.sql` and `output.rules` for the SQL, `rows.header` and `products.products_file` for
reading files, and `resources.settings` for keys on S3.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class SqlType:
    """A Redshift type; `max_bytes` is the longest text in UTF-8 (VARCHAR counts bytes)."""

    ddl: str
    max_bytes: int | None = None

    @property
    def is_text(self) -> bool:
        """Whether values are text, not numbers."""
        return self.max_bytes is not None


def varchar(max_bytes: int) -> SqlType:
    """Return the type of a text of at most `max_bytes` bytes of UTF-8."""
    return SqlType(f"VARCHAR({max_bytes})", max_bytes)


# BIGINT in both tables, otherwise the join compares strings.
ID = SqlType("BIGINT")
COUNT = SqlType("INTEGER")
MONEY = SqlType("DECIMAL(12,2)")
TIME = SqlType("TIMESTAMP")


@dataclass(frozen=True)
class Column:
    """One column of a table or file.

    Attributes:
        name: The column's name in files, in DynamoDB and in Redshift.
        type: Its type in Redshift.
        meaning: What it holds, for display.
        required: Every row must have a value.
        personal: It holds personal data.
        optional: Files may lack the column.
        email: It holds e-mail addresses, which are masked in everything that displays rows.
    """

    name: str
    type: SqlType
    meaning: str
    required: bool = False
    personal: bool = False
    optional: bool = False
    email: bool = False


@dataclass(frozen=True)
class Table:
    """A table and the columns of its files.

    Attributes:
        name: The table's name in Redshift.
        key: The column that identifies a row.
        columns: The columns of the files, in the contract's order.
        added: Columns that only the table in Redshift has.
    """

    name: str
    key: str
    columns: tuple[Column, ...]
    added: tuple[Column, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files' columns, in the contract's order."""
        return tuple(column.name for column in self.columns)

    @property
    def expected(self) -> tuple[str, ...]:
        """The names of the columns that every file must have."""
        return tuple(column.name for column in self.columns if not column.optional)

    def column(self, name: str) -> Column | None:
        """Return the column called `name`, or None if the contract does not have it."""
        return next((column for column in self.columns if column.name == name), None)


PRODUCTS = Table(
    name="products",
    key="product_id",
    columns=(
        Column("product_id", ID, "Identifies the product; unique.", required=True),
        Column("product_name", varchar(512), "Product name.", required=True),
        Column("product_category", varchar(256), "Product category."),
        Column("brand", varchar(256), "Brand name."),
    ),
)

LOAD_ID = Column(
    "load_id", ID, "The load that wrote the row; ids increase from load to load.", True
)

ORDERS = Table(
    name="orders",
    key="order_id",
    columns=(
        Column("order_id", ID, "Identifies the order.", required=True),
        Column("customer_name", varchar(512), "The customer's name.", personal=True),
        Column(
            "customer_email",
            varchar(512),
            "The customer's e-mail address.",
            personal=True,
            email=True,
        ),
        Column(
            "product_id",
            ID,
            "Product id; orders with an unknown product go to unmatched_orders.csv.",
        ),
        Column("price", MONEY, "Unit price, rounded to the cent."),
        Column("quantity", COUNT, "Number of units."),
        Column("total", MONEY, "Order total, rounded to the cent."),
        Column("order_date", TIME, "Time of the order; older files lack it.", optional=True),
    ),
    added=(LOAD_ID,),
)

# The ledger. It commits together with the rows, so it always matches the orders table.
ORDERS_LOADS = Table(
    name="orders_loads",
    key="delivery",
    columns=(
        LOAD_ID,
        Column("delivery", varchar(1024), "Key of the file on S3.", required=True),
        Column("etag", varchar(128), "ETag of the content that was loaded.", required=True),
        Column("size", ID, "Size of the file in bytes.", required=True),
        Column("load_rows", ID, "Rows of the load, all its files together.", required=True),
        Column("run_id", varchar(64), "The Dagster run that loaded it.", required=True),
        Column("loaded_at", TIME, "Time of the load, in UTC.", required=True),
        Column(
            "records", ID, "Records of the file, counted independently of COPY; NULL for old loads."
        ),
    ),
)

# The place and the reason of each rejected row. It commits together with the rows; the text of
# rejected rows is in the quarantine on S3.
ORDERS_REJECTED = Table(
    name="orders_rejected",
    key="line",
    columns=(
        LOAD_ID,
        Column("delivery", varchar(1024), "Key of the file on S3.", required=True),
        Column("line", ID, "The row's line in the file; the header is line 1.", required=True),
        Column("column_name", varchar(127), "The column at fault, if Redshift names one."),
        Column("reason", varchar(1024), "Redshift's error message.", required=True),
    ),
)

# A load locks these tables in this order and commits them together.
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
        return replace(origin, name=self.name)


PUBLISHED_COLUMNS = (
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

# The published file as a table: verification copies the file into it.
PUBLISHED = Table(
    name="detailed_orders",
    key="order_id",
    columns=tuple(published.column for published in PUBLISHED_COLUMNS),
)
