"""Which errors a step is retried for, with real services that refuse, disappear or break."""

import socket
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import boto3
import dagster as dg
import psycopg2
import pytest
from botocore.config import Config
from psycopg2.sql import SQL, Literal
from urllib3.exceptions import ProtocolError

from aws_orders.definitions import defs
from aws_orders.errors import DataError, TransientError
from aws_orders.reporting.asset_defaults import RETRIES
from aws_orders.reporting.steps import timed_step
from aws_orders.resources.feeds import open_feed
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders_tests.conftest import Platform

Fault = Callable[[Platform], object]


def serve_once(answer: bytes) -> int:
    """Serve one connection with a given response, then close it; return the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def warehouse(platform: Platform, **changed: Any) -> None:
    with RedshiftResource(**dict(platform.redshift) | changed).session():
        pass


def away(platform: Platform) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    warehouse(platform, port=port)


def sql(text: str) -> Fault:
    def run(platform: Platform) -> None:
        with platform.redshift.session() as session:
            session.execute(SQL(text))

    return run


def connection_lost(platform: Platform) -> None:
    with platform.redshift.session() as session, platform.redshift.session() as other:
        backend = session.scalar("SELECT pg_backend_pid()", ())
        other.execute(SQL("SELECT pg_terminate_backend({})").format(Literal(backend)))
        session.scalar("SELECT 1", ())


def feed_cut_short(platform: Platform) -> None:
    port = serve_once(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nproduct_id,")
    with open_feed(f"http://127.0.0.1:{port}/products.csv", platform.s3) as feed:
        feed.stream.read()


def store_answers(answer: bytes) -> Fault:
    """Return a call to an S3 with this response."""

    def call(_: Platform) -> None:
        once = Config(retries={"total_max_attempts": 1})
        url = f"http://127.0.0.1:{serve_once(answer)}"
        with closing(boto3.client("s3", endpoint_url=url, config=once)) as s3:
            s3.list_buckets()

    return call


def table_answers(answer: bytes) -> Fault:
    """Return a call to a DynamoDB with this response."""

    def call(_: Platform) -> None:
        once = Config(retries={"total_max_attempts": 1})
        url = f"http://127.0.0.1:{serve_once(answer)}"
        with closing(boto3.client("dynamodb", endpoint_url=url, config=once)) as dynamodb:
            dynamodb.scan(TableName="products")

    return call


def nowhere() -> Any:
    """Return a client of an S3 that does not exist."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    once = Config(retries={"total_max_attempts": 1})
    return closing(boto3.client("s3", endpoint_url=url, config=once))


def store_away(_: Platform) -> None:
    with nowhere() as s3:
        s3.list_buckets()


def feed_store_away(_: Platform) -> None:
    with nowhere() as s3, open_feed("s3://feeds/products.csv", s3):
        pass


def bug(_: Platform) -> None:
    raise TypeError("NoneType")


SLOW_DOWN = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"
THROTTLING = b'{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException"}'
THROTTLED = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(THROTTLING), THROTTLING)
)
SERIALIZATION = "DO $$ BEGIN RAISE EXCEPTION SQLSTATE '40001'; END $$"
TRANSIENT = [
    (away, psycopg2.OperationalError),
    (connection_lost, psycopg2.OperationalError),
    (sql(SERIALIZATION), psycopg2.Error),
    (feed_cut_short, TransientError),
    (store_answers(SLOW_DOWN), TransientError),
    (store_answers(b""), TransientError),
    (table_answers(THROTTLED), TransientError),
    (store_away, TransientError),
    (feed_store_away, TransientError),
]
PERMANENT: list[tuple[Fault, type[Exception]]] = [
    (lambda platform: warehouse(platform, password="wrong"), DataError),
    (sql("SELECT * FROM no_such_table"), psycopg2.Error),
    (sql("SELECT 1/0"), psycopg2.Error),
    (lambda platform: platform.s3.list_objects_v2(Bucket="no-such-bucket"), DataError),
    (bug, TypeError),
]


@pytest.mark.parametrize(("fault", "error"), TRANSIENT)
def test_a_transient_error_reaches_the_retry_policy(
    fault: Fault, error: type[Exception], platform: Platform
) -> None:
    with pytest.raises(error), timed_step():
        fault(platform)


@pytest.mark.parametrize(("fault", "error"), PERMANENT)
def test_a_permanent_error_fails_the_step_without_retries(
    fault: Fault, error: type[Exception], platform: Platform
) -> None:
    with pytest.raises(dg.Failure) as failed, timed_step():
        fault(platform)
    assert failed.value.allow_retries is False
    assert isinstance(failed.value.__cause__, error)


def attempts(error: Exception) -> int:
    """Run a step under the assets' policy that always fails; return the number of attempts."""
    started = 0

    @dg.op(retry_policy=RETRIES)
    def step() -> None:
        nonlocal started
        started += 1
        with timed_step():
            raise error

    @dg.job(logger_defs={})
    def job() -> None:
        step()

    assert not job.execute_in_process(raise_on_error=False).success
    return started


def test_a_step_has_at_most_three_attempts_and_one_if_no_retry_helps() -> None:
    assert attempts(ProtocolError("connection broken")) == 3
    fault = DataError("bad", where="a.csv", expected="a number", found="x", fix="correct it")
    assert attempts(fault) == 1


def test_every_asset_has_a_retry_policy_with_backoff_and_jitter() -> None:
    policies = [
        asset.op.retry_policy
        for asset in defs.assets or []
        if isinstance(asset, dg.AssetsDefinition)
    ]
    assert policies == [RETRIES] * 6
    assert (RETRIES.max_retries, RETRIES.backoff) == (2, dg.Backoff.EXPONENTIAL)
    assert RETRIES.jitter is dg.Jitter.PLUS_MINUS
