"""Syncs the DynamoDB table: writes new and changed items, deletes items that are not in the file.

See `resources.dynamodb` for reading and writing items, and `products_file` for reading the file.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_orders.contract import PRODUCTS
from aws_orders.errors import DataError
from aws_orders.products.products_file import read_products, row_digest
from aws_orders.resources.dynamodb import DynamoDBResource, Item
from aws_orders.resources.settings import RAW_PRODUCTS_KEY, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 1024 * 1024
KINDS = {column.name: "S" if column.type.is_text else "N" for column in PRODUCTS.columns}


@dataclass(frozen=True)
class ProductSync:
    """The result of `sync_products`.

    Attributes:
        rows: Items in the table now.
        written: Items that were new or changed.
        deleted: Items that the file no longer has.
        digest: A digest of all items.
    """

    rows: int
    written: int
    deleted: int
    digest: str

    @property
    def unchanged(self) -> int:
        """Items that already matched the file."""
        return self.rows - self.written


def sync_products(
    dynamodb: DynamoDBResource, s3: "S3Client", settings: Settings, max_delete_share: float
) -> ProductSync:
    """Make the table equal to `RAW_PRODUCTS_KEY`: write differences, delete removed products.

    The file is read twice and the table once. Only ids and 16-byte digests are kept in memory,
    about 200 bytes per product. New and changed items are written before removed ones are
    deleted; after a crash in between, the next sync writes and deletes the rest.

    Args:
        dynamodb: The resource that reads and writes items.
        s3: The client that reads the file.
        settings: The names of the table and the bucket.
        max_delete_share: The largest share of the table, 0 to 1, that may be deleted.

    Raises:
        DataError: the file does not match the contract, or the sync would delete more than
            `max_delete_share`; nothing was written.
        ThrottledError: DynamoDB rejected writes after all retries.
    """
    client, table = dynamodb.get_client(), settings.products_table
    dynamodb.ensure_table(client, table, PRODUCTS.key)

    wanted = {item[PRODUCTS.key]["N"]: _digest(item) for item in _items(s3, settings)}
    rows, digest = len(wanted), _combined(wanted.values())
    existing, removed = 0, []
    for item in dynamodb.scan(client, table):
        existing += 1
        identifier = item[PRODUCTS.key]["N"]
        if identifier not in wanted:
            removed.append(identifier)
        elif _digest(item) == wanted[identifier]:
            wanted[identifier] = b""  # matches: not to be written
    _check_deletions(len(removed), existing, max_delete_share, table)

    differing = (item for item in _items(s3, settings) if wanted[item[PRODUCTS.key]["N"]])
    written = dynamodb.put_items(client, table, differing)
    keys: Iterator[Item] = ({PRODUCTS.key: {"N": identifier}} for identifier in removed)
    deleted = dynamodb.delete_items(client, table, keys)
    return ProductSync(rows, written, deleted, digest)


def table_digest(dynamodb: DynamoDBResource, table: str) -> str:
    """Return the digest of the table's present items, to compare with `ProductSync.digest`."""
    return _combined(_digest(item) for item in dynamodb.scan(dynamodb.get_client(), table))


def _combined(digests: Iterable[bytes]) -> str:
    """Return one digest for many, independent of their order."""
    return f"{sum(map(int.from_bytes, digests)) % 2**128:032x}"


def _items(s3: "S3Client", settings: Settings) -> Iterator[Item]:
    """Read the products file from S3 as DynamoDB items without empty values."""
    body = s3.get_object(Bucket=settings.bucket, Key=settings.key(RAW_PRODUCTS_KEY))["Body"]
    with closing(body):
        chunks = body.iter_chunks(CHUNK_BYTES)
        for chunk in read_products(chunks, PRODUCTS, settings.uri(settings.key(RAW_PRODUCTS_KEY))):
            for row in chunk.to_dict("records"):
                yield {str(name): {KINDS[str(name)]: value} for name, value in row.items() if value}


def _digest(item: Item) -> bytes:
    flat = {name: f"{kind}{value}" for name, typed in item.items() for kind, value in typed.items()}
    return row_digest(flat)


def _check_deletions(removed: int, existing: int, max_delete_share: float, table: str) -> None:
    if removed > max_delete_share * existing:
        raise DataError(
            f"The products file would delete {removed} of {existing} products.",
            where=f"DynamoDB table {table}",
            expected=f"at most {max_delete_share:.2%} deleted in one run",
            found=f"{removed / existing:.2%}",
            fix="Check that the feed is complete. If these products were really removed, run "
            "dynamodb_products with max_delete_share: 1 (aws-orders run --max-delete-share 1).",
        )
