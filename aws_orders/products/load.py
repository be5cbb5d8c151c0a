"""Loads the products from DynamoDB into Redshift: COPY, compare the counts, replace the rows.

See `resources.redshift.statements` for the SQL and `sync` for writing to DynamoDB.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aws_orders.contract import PRODUCTS
from aws_orders.errors import RetryableError
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.schema_evolution import evolve
from aws_orders.resources.redshift.session import Session

COUNT_ATTEMPTS = 6
STAGE = "products_stage"


@dataclass(frozen=True)
class ProductsLoad:
    """The result of `load_products`.

    Attributes:
        rows: Rows in the table now.
        schema_changes: The statements that changed the table before the load.
    """

    rows: int
    schema_changes: Sequence[str]


class CountMismatchError(RetryableError):
    """Redshift's COPY and DynamoDB's count differ after all attempts."""

    def __init__(self, table: str, copied: int, counted: int) -> None:
        super().__init__(
            f"COPY read {copied} items from dynamodb://{table}, but DynamoDB counts {counted}, "
            f"after {COUNT_ATTEMPTS} attempts. The products in Redshift are unchanged. Wait until "
            "nothing writes to the table, then run redshift_products again."
        )
        self.difference = abs(copied - counted)


def load_products(
    redshift: RedshiftResource,
    dynamodb_table: str,
    count_items: Callable[[], int],
    sleep: Callable[[float], None] = time.sleep,
) -> ProductsLoad:
    """Make Redshift's products equal to the DynamoDB table.

    COPY scans DynamoDB with eventually consistent reads, so it may miss recent writes. COPY is
    repeated, with waits that grow from 0.5 to 16 seconds, until its count equals DynamoDB's.

    Args:
        redshift: The warehouse.
        dynamodb_table: The name of the DynamoDB table.
        count_items: Counts the table's items with a consistent read.
        sleep: Waits for a number of seconds.

    Raises:
        CountMismatchError: the counts still differ; the table is unchanged.
        DataError: changing the table to the contract would lose data.
    """
    schema_changes: list[str] = []  # of all attempts

    def load(session: Session) -> ProductsLoad:
        copy = statements.copy_dynamodb(
            STAGE, PRODUCTS.names, dynamodb_table, redshift.iam_role, redshift.data_region
        )
        schema_changes.extend(evolve(session, redshift.schema_name, [PRODUCTS]))
        for attempt in range(1, COUNT_ATTEMPTS + 1):
            session.execute(statements.drop_stage(STAGE))
            session.execute(statements.create_stage(STAGE, PRODUCTS, PRODUCTS.names))
            copied, counted = session.copy(copy), count_items()
            if copied == counted:
                _replace_products(session, redshift.schema_name)
                return ProductsLoad(copied, schema_changes)
            if attempt < COUNT_ATTEMPTS:
                sleep(2**attempt * random.uniform(0.25, 0.5))  # noqa: S311
        raise CountMismatchError(dynamodb_table, copied, counted)

    return redshift.run(load)


def _replace_products(session: Session, schema: str) -> None:
    with session.transaction():
        session.execute(statements.lock(schema, PRODUCTS))
        session.execute(statements.delete_all(schema, PRODUCTS))
        session.execute(statements.insert_from_stage(schema, PRODUCTS, STAGE))
