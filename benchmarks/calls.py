"""One verb of the platform, in a process of its own that does nothing else.

    python -m benchmarks.calls sync_products | receive_orders | upload

Settings come from the environment, as the platform's do. It prints the call's seconds, the
process's peak memory in megabytes, and what the verb returned, as one JSON object.
"""

import json
import os
import resource
import sys
import time
from dataclasses import asdict
from typing import Any

from dagster_aws.s3 import S3Resource

from aws_orders.intake import receive_orders
from aws_orders.product_sync import sync_products
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders.settings import Settings


def main() -> None:
    """Make the call that the command line names."""
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
        case "upload":  # as boto3 does it by itself: a yardstick
            s3.upload_file(settings.orders_feed, settings.bucket, "bench/feed.csv")
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": peak, **found}))


if __name__ == "__main__":
    main()
