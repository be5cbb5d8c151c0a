"""How it is measured, against what, and what is asked of it.

Each measure takes a number of rounds and a scale for its amounts of data, and returns figures.
How a stack, a feed or a process comes about is `stage`'s business.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import monotonic
from typing import Any

import boto3
import psycopg2
from psycopg2.extensions import make_dsn
from psycopg2.sql import SQL

from aws_orders.config import ORDERS_PREFIX, RAW_PRODUCTS_KEY
from aws_orders.orders.load import load_orders
from benchmarks import stage
from benchmarks.figures import Figure
from laptop_aws.postgres import SUPERUSER, psql_path

LONG_ROUNDS = 3
"""Rounds at most of what takes the better part of a minute."""
LEDGER = f"""
    INSERT INTO orders_loads (load_id, delivery, etag, size, load_rows, run_id, loaded_at)
    SELECT 1, '{ORDERS_PREFIX}old/' || lpad(number::text, 9, '0'), 'etag', 1, 1, 'old', now()
    FROM generate_series(1, %s) AS number
"""
"""As many files that were loaded once and have gone from S3 since."""


def sample(rounds: int, _scale: float) -> list[Figure]:
    """Run the package's sample, stack start included, beside Dagster's import."""
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
    """Load the definitions, beside what they are made of."""
    parts = "import dagster, dagster_aws"
    ours, theirs = stage.interleaved(
        2 * rounds,
        lambda _: stage.timed(stage.PYTHON, "-c", f"{parts}; import aws_orders.definitions"),
        lambda _: stage.timed(stage.PYTHON, "-c", parts),
    )
    return [Figure("definitions loaded", ours, parts, theirs, most=0.3, of="difference")]


def refresh(rounds: int, scale: float) -> list[Figure]:
    """Refresh everything on a stack that is up, by the platform and by awswrangler.

    Each round brings a new edition of both feeds, so that all of it has to be moved.
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
    what = f"{orders:,} orders, {products:,} products, stack up"
    return [Figure(what, runs, "awswrangler script", scripts, most=1.5, of="ratio")]


def sync(rounds: int, scale: float) -> list[Figure]:
    """Bring products to a new DynamoDB table, by the platform and by awswrangler; then again."""
    products, again = int(20_000 * scale), list[dict[str, Any]]()
    by_hand = stage.wrangler()
    with stage.stack() as place:
        file, _ = stage.write_feeds(place, products, 0)
        boto3.client("s3").upload_file(str(file), os.environ["AWS_ORDERS_BUCKET"], RAW_PRODUCTS_KEY)

        def ours(number: int) -> float:
            table = {"AWS_ORDERS_PRODUCTS_TABLE": f"ours_{number}"}
            first, second = (stage.call("sync_products", **table) for _ in range(2))
            assert first["written"] == products, first
            again.append(second)
            return float(first["seconds"])

        def theirs(number: int) -> float:
            _create_table(f"theirs_{number}")
            return float(stage.run(*by_hand, "put_csv", file, f"theirs_{number}"))

        syncs, puts = stage.interleaved(min(rounds, LONG_ROUNDS), ours, theirs)
    return [
        Figure(f"{products:,} products to DynamoDB", syncs, "awswrangler put_csv", puts),
        Figure("  again, nothing changed", [sync["seconds"] for sync in again]),
        Figure("  items written then", [sync["written"] for sync in again], unit="", most=0),
    ]


def big(rounds: int, scale: float) -> list[Figure]:
    """Run much, from nothing, stack start included: time, and each process's peak memory."""
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
        Figure(f"{orders:,} orders, {products:,} products, from nothing", seconds),
        *(
            Figure(f"  peak memory, {kind}", [memory[kind] for memory in peaks], unit="MB")
            for kind in peaks[0]
        ),
    ]


def feed(rounds: int, scale: float) -> list[Figure]:
    """Receive a large orders feed, beside boto3's plain upload of the same file."""
    megabytes, found = int(1000 * scale), dict[str, list[dict[str, Any]]]()
    with stage.stack() as place:
        _, file = stage.write_feeds(place, 1_000, 10_000)
        rows = file.read_bytes().partition(b"\n")[2]
        with file.open("ab") as end:
            while end.tell() < megabytes * 1024**2:
                end.write(rows)

        def seconds(name: str, number: int) -> float:
            # Another time of change, so that the feed is not taken for the one already there.
            os.utime(file, (number, number))
            told = stage.call(name, AWS_ORDERS_ORDERS_FEED=str(file))
            found.setdefault(name, []).append(told)
            return float(told["seconds"])

        receipts, uploads = stage.interleaved(
            min(rounds, LONG_ROUNDS),
            lambda number: seconds("receive_orders", number),
            lambda number: seconds("upload", number),
        )
    assert all(told["changed"] for told in found["receive_orders"])
    memory, plain = ([told["megabytes"] for told in calls] for calls in found.values())
    what, against = f"orders feed of {megabytes:,} MB to S3", "upload_file"
    return [
        Figure(what, receipts, against, uploads),
        Figure("  peak memory", memory, against, plain, unit="MB", most=300),
    ]


def tick(rounds: int, scale: float) -> list[Figure]:
    """Look at many deliveries as `orders_landed` does at each tick, beside a bare listing."""
    objects, found = int(100_000 * scale), dict[str, list[dict[str, Any]]]()

    def seconds(name: str) -> float:
        told = stage.call(name)
        found.setdefault(name, []).append(told)
        return float(told["seconds"])

    with stage.stack():
        s3, bucket = boto3.client("s3"), os.environ["AWS_ORDERS_BUCKET"]

        def put(number: int) -> None:
            s3.put_object(Bucket=bucket, Key=f"{ORDERS_PREFIX}{number:09}.csv", Body=b"x")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, range(objects)))
        ticks, listings = stage.interleaved(
            min(rounds, LONG_ROUNDS), lambda _: seconds("tick"), lambda _: seconds("listing")
        )
    ours, bare = ([told["megabytes"] for told in found[name]] for name in ("tick", "listing"))
    what = f"tick over {objects:,} objects"
    return [
        Figure(what, ticks, "bare listing", listings, most=1.2, of="ratio"),
        Figure("  peak memory", ours, "bare listing", bare, unit="MB", most=200, of="difference"),
    ]


def load(rounds: int, scale: float) -> list[Figure]:
    """Load one new file with ever more deliveries in the ledger, planning apart."""
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
                if number == 0:  # which made the tables
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


def warehouse(rounds: int, scale: float) -> list[Figure]:
    """COPY, UNLOAD and SELECT at the laptop's Redshift, beside the PostgreSQL behind it."""
    orders, selected, rounds = int(1e6 * scale), int(5e5 * scale), min(rounds, LONG_ROUNDS)
    with stage.stack() as place:
        bucket, role = os.environ["AWS_ORDERS_BUCKET"], os.environ["REDSHIFT_IAM_ROLE"]
        _, file = stage.write_feeds(place, 1_000, orders)
        boto3.client("s3").upload_file(str(file), bucket, "bench/orders.csv")
        names = ("host", "port", "user", "password", "sslmode")
        database = os.environ["REDSHIFT_DATABASE"]
        redshift = make_dsn(
            dbname=database, **{name: os.environ[f"REDSHIFT_{name.upper()}"] for name in names}
        )
        postgres = make_dsn(dbname=database, host=str(place / "state/postgres"), user=SUPERUSER)
        _psql(
            redshift,
            "CREATE TABLE bench (order_id BIGINT, customer_name VARCHAR(512), customer_email"
            " VARCHAR(512), product_id BIGINT, price DECIMAL(12,2), quantity INTEGER,"
            " total DECIMAL(12,2))",
        )
        copy = f"COPY bench FROM 's3://{bucket}/bench/orders.csv' IAM_ROLE '{role}'"
        unload = f"UNLOAD ('SELECT * FROM bench') TO 's3://{bucket}/bench/out' IAM_ROLE '{role}'"
        copies, copies_behind = stage.interleaved(
            rounds,
            lambda _: _load(redshift, f"{copy} CSV IGNOREHEADER 1 ROUNDEC EMPTYASNULL"),
            lambda _: _load(postgres, f"\\copy bench from '{file}' (format csv, header)"),
        )
        unloads, unloads_behind = stage.interleaved(
            rounds,
            lambda _: _psql(redshift, f"{unload} CSV HEADER PARALLEL OFF ALLOWOVERWRITE"),
            lambda _: _psql(postgres, f"\\copy bench to '{place}/out.csv' (format csv, header)"),
        )
        selects, selects_behind = stage.interleaved(
            rounds, lambda _: _select(redshift, selected), lambda _: _select(postgres, selected)
        )
    return [
        Figure(
            f"COPY of {orders:,} orders", copies, "psql \\copy", copies_behind, most=1.4, of="ratio"
        ),
        Figure(
            f"UNLOAD of {orders:,} orders",
            unloads,
            "psql \\copy",
            unloads_behind,
            most=1.4,
            of="ratio",
        ),
        Figure(
            f"SELECT of {selected:,} orders",
            selects,
            "PostgreSQL",
            selects_behind,
            most=1.25,
            of="ratio",
        ),
    ]


MEASURES: dict[str, Callable[[int, float], list[Figure]]] = {
    measure.__name__: measure
    for measure in (sample, definitions, refresh, sync, big, feed, tick, load, warehouse)
}


def _create_table(name: str) -> None:
    """Create a DynamoDB table for awswrangler, which does not."""
    boto3.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "product_id", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "product_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


def _psql(dsn: str, command: str) -> float:
    return stage.timed(psql_path(), "-X", "-q", dsn, "-c", command)


def _load(dsn: str, command: str) -> float:
    _psql(dsn, "TRUNCATE bench")
    return _psql(dsn, command)


def _select(dsn: str, count: int) -> float:
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        started = monotonic()
        cursor.execute(f"SELECT * FROM bench LIMIT {count}")
        assert len(cursor.fetchall()) == count
        return monotonic() - started
