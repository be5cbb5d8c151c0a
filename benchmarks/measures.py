"""The measures of the platform, with their yardsticks and limits.

A measure takes a number of rounds and a scale for the amount of data, and returns figures. Stacks,
feeds and processes are created in `stage`.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import boto3
from psycopg2.sql import SQL

from aws_orders.orders.load import load_orders
from aws_orders.resources.settings import ORDERS_PREFIX, RAW_PRODUCTS_KEY
from benchmarks import stage
from benchmarks.figures import Figure

LONG_ROUNDS = 3
"""The most rounds of a measure that takes most of a minute."""
LEDGER = f"""
    INSERT INTO orders_loads (load_id, delivery, etag, size, load_rows, run_id, loaded_at)
    SELECT 1, '{ORDERS_PREFIX}old/' || lpad(number::text, 9, '0'), 'etag', 1, 1, 'old', now()
    FROM generate_series(1, %s) AS number
"""
"""Inserts so many files that were loaded and then deleted from S3."""


def sample(rounds: int, _scale: float) -> list[Figure]:
    """Run the package's sample, including the start of the stack, next to Dagster's import."""
    with stage.directory() as place:
        command = (stage.AWS_ORDERS, "run", "--state", place / "state")
        stage.run(*command)
        runs, imports = stage.interleaved(
            rounds,
            lambda _: stage.timed(*command),
            lambda _: stage.timed(stage.PYTHON, "-c", "import dagster"),
        )
    return [Figure("sample, from cold", runs, "import dagster", imports, most=6, of="ratio")]


def definitions(rounds: int, _scale: float) -> list[Figure]:
    """Load the definitions, next to the import of their dependencies."""
    parts = "import dagster, dagster_aws"
    ours, theirs = stage.interleaved(
        2 * rounds,
        lambda _: stage.timed(stage.PYTHON, "-c", f"{parts}; import aws_orders.definitions"),
        lambda _: stage.timed(stage.PYTHON, "-c", parts),
    )
    return [Figure("definitions loaded", ours, parts, theirs, most=0.3, of="difference")]


def refresh(rounds: int, scale: float) -> list[Figure]:
    """Refresh everything on a running stack, with the platform and with awswrangler.

    Each round has new editions of both feeds, so that all data must be loaded.
    """
    products, orders = int(2_000 * scale), int(100_000 * scale)
    by_hand = stage.wrangler()
    with stage.stack() as place:
        _create_table("bench_products")
        command = (stage.AWS_ORDERS, "run", "--state", place / "state")
        feeds = [stage.write_feeds(place, products, orders, number) for number in range(rounds)]
        runs, scripts = stage.interleaved(
            rounds,
            lambda n: stage.timed(*command, "--products", feeds[n][0], "--orders", feeds[n][1]),
            lambda n: stage.timed(*by_hand, "refresh", *feeds[n]),
        )
    what = f"{orders:,} orders, {products:,} products, running stack"
    return [Figure(what, runs, "awswrangler script", scripts, most=1.5, of="ratio")]


def sync(rounds: int, scale: float) -> list[Figure]:
    """Write products to a new DynamoDB table, with the platform and awswrangler; then repeat."""
    products, repeated = int(20_000 * scale), list[dict[str, Any]]()
    by_hand = stage.wrangler()
    with stage.stack() as place:
        file, _ = stage.write_feeds(place, products, 0)
        boto3.client("s3").upload_file(str(file), os.environ["AWS_ORDERS_BUCKET"], RAW_PRODUCTS_KEY)

        def ours(number: int) -> float:
            table = {"AWS_ORDERS_PRODUCTS_TABLE": f"ours_{number}"}
            first, second = (stage.call("sync_products", **table) for _ in range(2))
            assert first["written"] == products, first
            repeated.append(second)
            return float(first["seconds"])

        def theirs(number: int) -> float:
            _create_table(f"theirs_{number}")
            return float(stage.run(*by_hand, "put_csv", file, f"theirs_{number}"))

        syncs, puts = stage.interleaved(min(rounds, LONG_ROUNDS), ours, theirs)
    return [
        Figure(f"{products:,} products to DynamoDB", syncs, "awswrangler put_csv", puts),
        Figure("  repeated without changes", [sync["seconds"] for sync in repeated]),
        Figure("  items written then", [sync["written"] for sync in repeated], unit="", most=0),
    ]


def big(rounds: int, scale: float) -> list[Figure]:
    """Run with much data on a new stack, start included: time, and peak memory by process."""
    products, orders = int(100_000 * scale), int(1_000_000 * scale)
    seconds, peaks = [], []
    for _ in range(min(rounds, LONG_ROUNDS)):
        with stage.directory() as place:
            feeds = stage.write_feeds(place, products, orders)
            command = (stage.AWS_ORDERS, "run", "--state", place / "state")
            taken, memory = stage.watched(*command, "--products", feeds[0], "--orders", feeds[1])
            seconds.append(taken)
            peaks.append(memory)
    return [
        Figure(f"{orders:,} orders, {products:,} products, new stack", seconds),
        *(
            Figure(f"  peak memory, {kind}", [memory[kind] for memory in peaks], unit="MB")
            for kind in peaks[0]
        ),
    ]


def feed(rounds: int, scale: float) -> list[Figure]:
    """Receive a large orders feed, next to boto3's plain upload of the same file."""
    megabytes, found = int(1000 * scale), dict[str, list[dict[str, Any]]]()
    with stage.stack() as place:
        _, file = stage.write_feeds(place, 1_000, 10_000)
        rows = file.read_bytes().partition(b"\n")[2]
        with file.open("ab") as end:
            while end.tell() < megabytes * 1024**2:
                end.write(rows)

        def seconds(name: str, number: int) -> float:
            # Another modification time, so that the feed does not appear unchanged.
            os.utime(file, (number, number))
            result = stage.call(name, AWS_ORDERS_ORDERS_FEED=str(file))
            found.setdefault(name, []).append(result)
            return float(result["seconds"])

        receipts, uploads = stage.interleaved(
            min(rounds, LONG_ROUNDS),
            lambda number: seconds("receive_orders", number),
            lambda number: seconds("upload", number),
        )
    assert all(result["changed"] for result in found["receive_orders"])
    memory, plain = ([result["megabytes"] for result in calls] for calls in found.values())
    what, against = f"orders feed of {megabytes:,} MB to S3", "upload_file"
    return [
        Figure(what, receipts, against, uploads),
        Figure("  peak memory", memory, against, plain, unit="MB", most=300),
    ]


def tick(rounds: int, scale: float) -> list[Figure]:
    """Read many deliveries like a tick of `orders_landed`, next to a plain listing."""
    objects, found = int(100_000 * scale), dict[str, list[dict[str, Any]]]()

    def seconds(name: str) -> float:
        result = stage.call(name)
        found.setdefault(name, []).append(result)
        return float(result["seconds"])

    with stage.stack():
        s3, bucket = boto3.client("s3"), os.environ["AWS_ORDERS_BUCKET"]

        def put(number: int) -> None:
            s3.put_object(Bucket=bucket, Key=f"{ORDERS_PREFIX}{number:09}.csv", Body=b"x")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, range(objects)))
        ticks, listings = stage.interleaved(
            min(rounds, LONG_ROUNDS), lambda _: seconds("tick"), lambda _: seconds("listing")
        )
    ours, bare = ([result["megabytes"] for result in found[name]] for name in ("tick", "listing"))
    what = f"tick over {objects:,} objects"
    return [
        Figure(what, ticks, "plain listing", listings, most=1.2, of="ratio"),
        Figure("  peak memory", ours, "plain listing", bare, unit="MB", most=200, of="difference"),
    ]


def load(rounds: int, scale: float) -> list[Figure]:
    """Load one new file with more and more deliveries in the ledger; planning is separate."""
    figures, fewest = [], list[float]()
    for size in (10, 1_000, int(100_000 * scale)):
        seconds, planning = list[float](), list[float]()
        with stage.stack() as place:
            redshift, settings = stage.resources()
            s3 = boto3.client("s3")
            _, file = stage.write_feeds(place, 1_000, 10_000)
            for number in range(rounds + 1):
                s3.upload_file(str(file), settings.bucket, f"{ORDERS_PREFIX}{number}.csv")
                started = monotonic()
                done = load_orders(redshift, s3, settings, "bench", f"_runs/{number}/")
                taken = monotonic() - started
                assert done.loaded == 10_000, done
                if number == 0:  # this load has created the tables
                    with redshift.session() as session:
                        session.execute(SQL(LEDGER), (size,))
                else:
                    seconds.append(taken - done.planning_seconds)
                    planning.append(done.planning_seconds)
        fewest = fewest or seconds
        what = f"10,000 new orders, {size:,} files loaded before"
        figures.append(Figure(what, seconds, "with 10", fewest, most=1.2, of="ratio"))
        figures.append(Figure("  comparing with the listing", planning))
    return figures


MEASURES: dict[str, Callable[[int, float], list[Figure]]] = {
    measure.__name__: measure
    for measure in (sample, definitions, refresh, sync, big, feed, tick, load)
}


def _create_table(name: str) -> None:
    """Create a DynamoDB table for awswrangler, which does not."""
    boto3.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "product_id", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "product_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
