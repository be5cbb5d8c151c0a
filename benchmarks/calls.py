"""One operation of the platform, timed in a process that does nothing else.

    python -m benchmarks.calls sync_products | receive_orders | upload | tick | listing

Settings come from the environment. It prints one JSON object with the operation's seconds, the
process's peak memory in megabytes, and the operation's result.
"""

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dagster_aws.s3 import S3Resource

from aws_orders.automation.arrivals import listing_digest
from aws_orders.orders.feed import receive_orders
from aws_orders.products.sync import sync_products
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders.resources.settings import ORDERS_PREFIX, Settings


def main() -> None:
    """Perform the operation that the command line names."""
    settings = Settings(
        bucket=os.environ["AWS_ORDERS_BUCKET"],
        products_table=os.environ["AWS_ORDERS_PRODUCTS_TABLE"],
        products_feed=os.environ["AWS_ORDERS_PRODUCTS_FEED"],
        orders_feed=os.environ["AWS_ORDERS_ORDERS_FEED"],
    )
    s3 = S3Resource().get_client()
    started = time.monotonic()
    found: dict[str, Any] = {}
    match sys.argv[1]:
        case "sync_products":
            found = asdict(sync_products(DynamoDBResource(), s3, settings, max_delete_share=0.5))
        case "receive_orders":
            found = asdict(receive_orders(s3, settings, "_runs/bench/"))
        case "upload":  # boto3's plain upload: a yardstick
            s3.upload_file(settings.orders_feed, settings.bucket, "bench/feed.csv")
        case "tick":  # what orders_landed reads
            found = {"digest": listing_digest(s3, settings)}
        case "listing":  # the same pages, only counted: a yardstick
            pages = s3.get_paginator("list_objects_v2").paginate(
                Bucket=settings.bucket, Prefix=ORDERS_PREFIX
            )
            found = {"objects": sum(page["KeyCount"] for page in pages)}
    seconds = time.monotonic() - started
    # Not getrusage: its peak includes the parent's memory at the fork.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "megabytes": peak, **found}))


if __name__ == "__main__":
    main()
