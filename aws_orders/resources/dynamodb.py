"""The DynamoDB resource: tables, parallel scans and batch writes.

Items have the low-level format, {"name": {"S": "…"}}. See `products.sync` for which items
are written.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import Field, PrivateAttr

from aws_orders.errors import DataError, RetryableError
from aws_orders.resources.aws_errors import record_resources
from aws_orders.resources.aws_sessions import new_session
from aws_orders.resources.transient import THROTTLED

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import ScanOutputTypeDef, TableDescriptionTypeDef

Item = dict[str, dict[str, str]]

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
BATCH_ITEMS = 25
WRITE_ATTEMPTS = 10
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.05, 5.0


class ThrottledError(RetryableError):
    """DynamoDB kept throttling writes. Earlier writes are kept; another run completes them."""


class DynamoDBResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """DynamoDB, with boto3's default chain of credentials and endpoints."""

    region_name: str | None = Field(default=None, description="Region; default: boto3's chain.")
    endpoint_url: str | None = Field(default=None, description="Endpoint; default: boto3's chain.")
    profile_name: str | None = Field(default=None, description="Profile; default: boto3's chain.")
    max_attempts: int = Field(default=5, description="Attempts at one call, including the first.")
    write_workers: int = Field(default=8, description="Concurrent BatchWriteItem calls.")
    scan_segments: int = Field(
        default=4, description="Segments of a table that are scanned concurrently."
    )

    _client: "DynamoDBClient | None" = PrivateAttr(default=None)

    def get_client(self) -> "DynamoDBClient":
        """Return the run's boto3 client, which is safe to share between steps and threads."""
        if self._client is None:
            self._client = self._new_client()
        return self._client

    def _new_client(self) -> "DynamoDBClient":
        config = Config(
            retries={"max_attempts": self.max_attempts, "mode": "standard"},
            max_pool_connections=max(self.write_workers, self.scan_segments),
        )
        client = new_session(self.profile_name).client(
            "dynamodb",
            region_name=self.region_name,
            endpoint_url=self.endpoint_url,
            config=config,
        )
        return record_resources(client)

    def ensure_table(self, client: "DynamoDBClient", table: str, number_key: str) -> None:
        """Create `table` (on-demand, one numeric key) unless it exists; wait until it is active.

        Raises:
            DataError: the table exists and has the wrong key.
        """
        created = True
        try:
            client.create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": number_key, "AttributeType": "N"}],
                KeySchema=[{"AttributeName": number_key, "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
        except client.exceptions.ResourceInUseException:
            created = False
        client.get_waiter("table_exists").wait(
            TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        if not created:
            check_key(client.describe_table(TableName=table)["Table"], number_key)

    def scan(self, client: "DynamoDBClient", table: str) -> Iterator[Item]:
        """Yield all items, read consistently in parallel; one page per segment is in memory."""
        for page in self._scan_pages(client, table, {}):
            yield from cast("list[Item]", page["Items"])

    def head(self, client: "DynamoDBClient", table: str, items: int) -> list[Item]:
        """Return at most `items` items, in any order."""
        return cast("list[Item]", client.scan(TableName=table, Limit=items)["Items"])

    def count(self, client: "DynamoDBClient", table: str) -> int:
        """Count all items consistently; DescribeTable's count is up to six hours old."""
        return sum(page["Count"] for page in self._scan_pages(client, table, {"Select": "COUNT"}))

    def _scan_pages(
        self, client: "DynamoDBClient", table: str, options: dict[str, Any]
    ) -> "Iterator[ScanOutputTypeDef]":
        def fetch(segment: int, start: Any) -> "tuple[int, ScanOutputTypeDef]":
            resume = {"ExclusiveStartKey": start} if start else {}
            return segment, client.scan(
                TableName=table,
                ConsistentRead=True,
                Segment=segment,
                TotalSegments=self.scan_segments,
                **resume,
                **options,
            )

        with ThreadPoolExecutor(self.scan_segments) as pool:
            pending = {pool.submit(fetch, segment, None) for segment in range(self.scan_segments)}
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    segment, page = future.result()
                    if last := page.get("LastEvaluatedKey"):
                        pending.add(pool.submit(fetch, segment, last))
                    yield page

    def put_items(self, client: "DynamoDBClient", table: str, items: Iterable[Item]) -> int:
        """Put items, replacing those with the same key; return how many.

        Raises:
            ThrottledError: DynamoDB still throttles after `WRITE_ATTEMPTS`.
        """
        return self._write(client, table, ({"PutRequest": {"Item": item}} for item in items))

    def delete_items(self, client: "DynamoDBClient", table: str, keys: Iterable[Item]) -> int:
        """Delete the items with these keys; return how many keys. Raises like `put_items`."""
        return self._write(client, table, ({"DeleteRequest": {"Key": key}} for key in keys))

    def _write(self, client: "DynamoDBClient", table: str, requests: Iterable[Any]) -> int:
        waiting = iter(requests)
        written = 0
        with ThreadPoolExecutor(self.write_workers) as pool:
            pending: set[Future[int]] = set()
            while True:
                # Two batches per worker keep it busy and bound the memory.
                room = 2 * self.write_workers - len(pending)
                batches = itertools.islice(_batches(waiting), room)
                pending |= {pool.submit(write_batch, client, table, batch) for batch in batches}
                if not pending:
                    return written
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                try:
                    written += sum(future.result() for future in done)
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise


def check_key(described: "TableDescriptionTypeDef", number_key: str) -> None:
    """Check that a table's only key attribute is the number `number_key`.

    Args:
        described: The table, as DescribeTable returns it.
        number_key: The name of the attribute.

    Raises:
        DataError: the table has the wrong key.
    """
    types = {
        each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]
    }
    roles = {"HASH": "partition key", "RANGE": "sort key"}
    found = [
        f"{roles[each['KeyType']]} {each['AttributeName']} ({types[each['AttributeName']]})"
        for each in described["KeySchema"]
    ]
    expected = f"partition key {number_key} (N)"
    if found != [expected]:
        name = described["TableName"]
        raise DataError(
            "The DynamoDB table has the wrong key.",
            where=f"DynamoDB table {name}",
            expected=f"{expected}, no sort key",
            found=", ".join(found),
            fix="The key of a table cannot be changed. Set AWS_ORDERS_PRODUCTS_TABLE to another "
            "name: the next run creates that table. Or, if nothing else uses this table, delete "
            f"it (`aws dynamodb delete-table --table-name {name}`) and run again.",
        )


def write_batch(
    client: "DynamoDBClient",
    table: str,
    batch: list[Any],
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Write one batch of at most 25 requests; return how many.

    Unprocessed requests are sent again with exponential backoff and full jitter, as the API's
    documentation recommends; boto3's batch_writer does not wait.

    Raises:
        ThrottledError: DynamoDB still throttles after `WRITE_ATTEMPTS`.
    """
    rest = batch
    for attempt in range(WRITE_ATTEMPTS):
        if attempt:
            longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)
            sleep(random.uniform(0, longest))  # noqa: S311
        try:
            answer = client.batch_write_item(RequestItems={table: rest})
        except ClientError as error:
            if error.response["Error"]["Code"] not in THROTTLED:
                raise
            continue
        rest = cast("list[Any]", answer.get("UnprocessedItems", {}).get(table, []))
        if not rest:
            return len(batch)
    raise ThrottledError(
        f"DynamoDB table {table} refused {len(rest)} of {len(batch)} writes "
        f"{WRITE_ATTEMPTS} times. Run again to write the rest. If it recurs, lower write_workers "
        "or raise the capacity of the table."
    )


def _batches(requests: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(itertools.islice(requests, BATCH_ITEMS)):
        yield batch
