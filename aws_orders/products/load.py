"""Loads the products from DynamoDB into Redshift."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aws_orders.contract import (
    PRODUCTS,
    Table,
)
from aws_orders.errors import RetryableError
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.schema_evolution import evolve
from aws_orders.resources.redshift.session import Session

COUNT_ATTEMPTS = 6


@dataclass(frozen=True)
class ProductsLoad:
    """What `load_products` did: rows in the table now, and the statements that changed it."""

    rows: int
    schema_changes: Sequence[str]


class CountMismatchError(RetryableError):
    """Redshift's COPY saw another number of items than DynamoDB holds, time and again."""

    def __init__(self, table: str, copied: int, counted: int) -> None:
        super().__init__(
            f"COPY from dynamodb://{table} brought {copied} items, DynamoDB counts {counted}, "
            f"{COUNT_ATTEMPTS} times. Is something else writing to the table? Run again once it is "
            "quiet; Redshift's products are as they were."
        )
        self.difference = abs(copied - counted)


def load_products(
    redshift: RedshiftResource,
    dynamodb_table: str,
    count_items: Callable[[], int],
    sleep: Callable[[float], None] = time.sleep,
) -> ProductsLoad:
    """Make Redshift's products equal to the DynamoDB table.

    The Scan behind COPY is eventually consistent, so one right after the writes may miss some:
    it is repeated, with waits, until it brings as many as DynamoDB counts.

    Raises:
        CountMismatchError: it never did; the table is as it was.
        DataError: the table differs from the contract in a way that would lose data.
    """
    changed: list[str] = []  # by all attempts together

    def work(session: Session) -> ProductsLoad:
        stage = "products_stage"
        copy = statements.copy_dynamodb(
            stage, PRODUCTS.names, dynamodb_table, redshift.iam_role, redshift.data_region
        )
        changed.extend(evolve(session, redshift.schema_name, [PRODUCTS]))
        for attempt in range(1, COUNT_ATTEMPTS + 1):
            session.execute(statements.drop_stage(stage))
            session.execute(statements.create_stage(stage, PRODUCTS, PRODUCTS.names))
            copied, counted = session.copy(copy), count_items()
            if copied == counted:
                _replace(session, redshift.schema_name, PRODUCTS, stage)
                return ProductsLoad(copied, changed)
            if attempt < COUNT_ATTEMPTS:
                sleep(2**attempt * random.uniform(0.25, 0.5))  # noqa: S311
        raise CountMismatchError(dynamodb_table, copied, counted)

    return redshift.run(work)


def _replace(session: Session, schema: str, table: Table, stage: str) -> None:
    with session.transaction():
        session.execute(statements.lock(schema, table))
        session.execute(statements.delete_all(schema, table))
        session.execute(statements.insert_from_stage(schema, table, stage))
