"""The measures of the laptop's Redshift, next to the PostgreSQL behind it."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic

import boto3
import psycopg2
from psycopg2.extensions import make_dsn

from benchmarks import stage
from benchmarks.figures import Figure
from laptop_aws.postgres import SUPERUSER, psql_path

MOST_ROUNDS = 3
SETTINGS = ("host", "port", "user", "password", "sslmode")
CREATE = (
    "CREATE TABLE bench (order_id BIGINT, customer_name VARCHAR(512), customer_email"
    " VARCHAR(512), product_id BIGINT, price DECIMAL(12,2), quantity INTEGER,"
    " total DECIMAL(12,2))"
)
COPY = (
    "COPY bench FROM 's3://{bucket}/bench/orders.csv' IAM_ROLE '{role}'"
    " CSV IGNOREHEADER 1 ROUNDEC EMPTYASNULL"
)
UNLOAD = (
    "UNLOAD ('SELECT * FROM bench') TO 's3://{bucket}/bench/out' IAM_ROLE '{role}'"
    " CSV HEADER PARALLEL OFF ALLOWOVERWRITE"
)


def warehouse(rounds: int, scale: float) -> list[Figure]:
    """Measure COPY, UNLOAD and SELECT."""
    orders, selected, rounds = int(1e6 * scale), int(5e5 * scale), min(rounds, MOST_ROUNDS)
    with stage.stack() as place:
        names = {
            "bucket": os.environ["AWS_ORDERS_BUCKET"],
            "role": os.environ["REDSHIFT_IAM_ROLE"],
        }
        _, file = stage.write_feeds(place, 1_000, orders)
        boto3.client("s3").upload_file(str(file), names["bucket"], "bench/orders.csv")
        redshift, postgres = _connection_strings(place)
        _psql(redshift, CREATE)
        copies = stage.interleaved(
            rounds,
            lambda _: _load(redshift, COPY.format(**names)),
            lambda _: _load(postgres, f"\\copy bench from '{file}' (format csv, header)"),
        )
        unloads = stage.interleaved(
            rounds,
            lambda _: _psql(redshift, UNLOAD.format(**names)),
            lambda _: _psql(postgres, f"\\copy bench to '{place}/out.csv' (format csv, header)"),
        )
        selects = stage.interleaved(
            rounds, _select(redshift, selected), _select(postgres, selected)
        )
    copied, unloaded = f"COPY of {orders:,} orders", f"UNLOAD of {orders:,} orders"
    what = f"SELECT of {selected:,} orders"
    return [
        Figure(copied, copies[0], "psql \\copy", copies[1], most=1.4, of="ratio"),
        Figure(unloaded, unloads[0], "psql \\copy", unloads[1], most=1.4, of="ratio"),
        Figure(what, selects[0], "PostgreSQL", selects[1], most=1.25, of="ratio"),
    ]


def _connection_strings(place: Path) -> tuple[str, str]:
    """Return the connection strings of the laptop's Redshift and of its PostgreSQL."""
    database = os.environ["REDSHIFT_DATABASE"]
    settings = {name: os.environ[f"REDSHIFT_{name.upper()}"] for name in SETTINGS}
    return (
        make_dsn(dbname=database, **settings),
        make_dsn(dbname=database, host=str(place / "state/postgres"), user=SUPERUSER),
    )


def _psql(dsn: str, command: str) -> float:
    return stage.timed(psql_path(), "-X", "-q", dsn, "-c", command)


def _load(dsn: str, command: str) -> float:
    _psql(dsn, "TRUNCATE bench")
    return _psql(dsn, command)


def _select(dsn: str, count: int) -> Callable[[int], float]:
    def seconds(_: int) -> float:
        with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
            started = monotonic()
            cursor.execute(f"SELECT * FROM bench LIMIT {count}")
            assert len(cursor.fetchall()) == count
            return monotonic() - started

    return seconds
