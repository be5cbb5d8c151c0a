"""Making the DynamoDB table equal to the products file: what to write, what to delete.

How items are read and written is `resources.dynamodb`'s, how the file is read `product_file`'s.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_orders.config import RAW_PRODUCTS_KEY, Settings
from aws_orders.contract import PRODUCTS
from aws_orders.errors import DataError
from aws_orders.products.products_file import read_products, row_digest
from aws_orders.resources.dynamodb import DynamoDBResource, Item

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 1024 * 1024
KINDS = {column.name: "S" if column.type.is_text else "N" for column in PRODUCTS.columns}


@dataclass(frozen=True)
class ProductSync:
    """What a sync did: items of the table now, written, deleted; a digest of all of them."""

    rows: int
    written: int
    deleted: int
    digest: str

    @property
    def unchanged(self) -> int:
        """Items that were right already, and were left alone."""
        return self.rows - self.written


def sync_products(
    dynamodb: DynamoDBResource, s3: "S3Client", settings: Settings, max_delete_share: float
) -> ProductSync:
    """Make the table equal to `RAW_PRODUCTS_KEY`: write what differs, delete what is gone.

    The file is read twice and the table once. In between only ids and 16-byte digests are
    held, so that memory grows by some 200 bytes a product. New and changed items are written
    before gone ones are deleted: after a crash in between, running again does the rest.

    Args:
        dynamodb: Where the table is.
        s3: The client that reads the file.
        settings: Which table and which bucket.
        max_delete_share: The largest share of the table, 0 to 1, that may be deleted.

    Raises:
        DataError: the file is not as the contract says, or more would be deleted than may be;
            nothing was written.
    """
    client, table = dynamodb.get_client(), settings.products_table
    dynamodb.ensure_table(client, table, PRODUCTS.key)

    wanted = {item[PRODUCTS.key]["N"]: _digest(item) for item in _items(s3, settings)}
    rows, digest = len(wanted), _sum(wanted.values())
    existing, gone = 0, []
    for item in dynamodb.scan(client, table):
        existing += 1
        identifier = item[PRODUCTS.key]["N"]
        if identifier not in wanted:
            gone.append(identifier)
        elif _digest(item) == wanted[identifier]:
            wanted[identifier] = b""
    _guard(len(gone), existing, max_delete_share, table)

    differing = (item for item in _items(s3, settings) if wanted[item[PRODUCTS.key]["N"]])
    written = dynamodb.put_items(client, table, differing)
    keys: Iterator[Item] = ({PRODUCTS.key: {"N": identifier}} for identifier in gone)
    deleted = dynamodb.delete_items(client, table, keys)
    return ProductSync(rows, written, deleted, digest)


def table_digest(dynamodb: DynamoDBResource, table: str) -> str:
    """Return the digest that a sync gives which finds the table as it is now."""
    return _sum(_digest(item) for item in dynamodb.scan(dynamodb.get_client(), table))


def _sum(digests: Iterable[bytes]) -> str:
    """Return one digest for many, whatever their order."""
    return f"{sum(map(int.from_bytes, digests)) % 2**128:032x}"


def _items(s3: "S3Client", settings: Settings) -> Iterator[Item]:
    """Read the products file from S3 as DynamoDB items; empty values are left out."""
    body = s3.get_object(Bucket=settings.bucket, Key=RAW_PRODUCTS_KEY)["Body"]
    with closing(body):
        chunks = body.iter_chunks(CHUNK_BYTES)
        for chunk in read_products(chunks, PRODUCTS, settings.uri(RAW_PRODUCTS_KEY)):
            for row in chunk.to_dict("records"):
                yield {str(name): {KINDS[str(name)]: value} for name, value in row.items() if value}


def _digest(item: Item) -> bytes:
    flat = {name: f"{kind}{value}" for name, typed in item.items() for kind, value in typed.items()}
    return row_digest(flat)


def _guard(gone: int, existing: int, max_delete_share: float, table: str) -> None:
    if gone > max_delete_share * existing:
        raise DataError(
            f"The products file would delete {gone} of {existing} products.",
            where=f"DynamoDB table {table}",
            expected=f"at most {max_delete_share:.0%} deleted in one run",
            found=f"{gone / existing:.0%}",
            fix="Check that the feed is whole. If these products are really gone, run "
            "dynamodb_products with max_delete_share: 1 (aws-orders run --max-delete-share 1).",
        )
