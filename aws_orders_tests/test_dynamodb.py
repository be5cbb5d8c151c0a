"""Writing to DynamoDB: many items, throttling, and what is left alone.

Throttling comes from a proxy before the laptop's DynamoDB that turns writes away.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aws_orders.resources.dynamodb import (
    WRITE_ATTEMPTS,
    DynamoDBResource,
    Item,
    ThrottledError,
    write_batch,
)
from aws_orders_tests.conftest import PRODUCTS_CSV, Platform
from laptop_aws.stack import Stack

Answer = tuple[int, bytes]


@dataclass
class Throttle:
    """A DynamoDB that processes only some writes; `plan` says how many of each next batch."""

    url: str = ""
    plan: list[int] = field(default_factory=list)
    always: int | None = None
    whole_batches_refused: int = 0
    batches: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, body: bytes, send: Callable[[bytes], Answer]) -> Answer:
        """Send the writes of a BatchWriteItem that are processed; return the batch's answer."""
        request = json.loads(body)
        ((table, writes),) = request["RequestItems"].items()
        with self.lock:
            self.batches.append(len(writes))
            if self.whole_batches_refused:
                self.whole_batches_refused -= 1
                return 400, b'{"__type":"com.amazonaws#ThrottlingException"}'
            passed = self.plan.pop(0) if self.plan else self.always
        if passed is None or passed >= len(writes):
            return send(body)
        unprocessed = {"UnprocessedItems": {table: writes[passed:]}}
        if not passed:
            return 200, json.dumps(unprocessed).encode()
        request["RequestItems"] = {table: writes[:passed]}
        status, text = send(json.dumps(request).encode())
        return status, json.dumps(json.loads(text) | unprocessed).encode()


@pytest.fixture
def throttle(stack: Stack) -> Iterator[Throttle]:
    throttle = Throttle()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["X-Amz-Target"].endswith("BatchWriteItem"):
                self.answer(*throttle.write(body, self.forward))
            else:
                self.answer(*self.forward(body))

        def forward(self, body: bytes) -> Answer:
            with closing(HTTPConnection("127.0.0.1", stack.aws_port)) as connection:
                headers = dict(self.headers) | {"Content-Length": str(len(body))}
                connection.request("POST", "/", body, headers)
                answer = connection.getresponse()
                return answer.status, answer.read()

        def answer(self, status: int, text: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        # A client keeps its connections: threads that serve them must not keep us waiting.
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        throttle.url = f"http://127.0.0.1:{server.server_port}"
        yield throttle
        server.shutdown()
        thread.join()


def products(count: int) -> str:
    rows = (f"{number},Thing {number},Home,Hale\n" for number in range(count))
    return PRODUCTS_CSV.splitlines(keepends=True)[0] + "".join(rows)


def puts(count: int) -> list[dict[str, dict[str, Item]]]:
    return [{"PutRequest": {"Item": {"product_id": {"N": str(n)}}}} for n in range(count)]


def test_unprocessed_items_are_sent_again_with_growing_waits(
    platform: Platform, throttle: Throttle
) -> None:
    platform.refresh("refresh_products")
    throttle.plan = [20, 3, 0]
    client = DynamoDBResource(endpoint_url=throttle.url).get_client()
    waits: list[float] = []
    assert write_batch(client, platform.settings.products_table, puts(25), waits.append) == 25
    client.close()
    assert throttle.batches == [25, 5, 2, 2]
    assert len(waits) == 3
    assert all(0 <= wait <= 0.05 * 2 ** (n + 1) for n, wait in enumerate(waits))
    assert len(platform.items()) == 25


def test_a_batch_refused_whole_is_sent_again(platform: Platform, throttle: Throttle) -> None:
    platform.refresh("refresh_products")
    throttle.whole_batches_refused = 3
    client = DynamoDBResource(endpoint_url=throttle.url, max_attempts=1).get_client()
    assert write_batch(client, platform.settings.products_table, puts(5), lambda _: None) == 5
    client.close()


def test_writes_refused_for_ever_end_in_an_error_that_counts_them(
    platform: Platform, throttle: Throttle
) -> None:
    platform.refresh("refresh_products")
    throttle.always = 0
    client = DynamoDBResource(endpoint_url=throttle.url).get_client()
    with pytest.raises(ThrottledError, match=f"refused 25 of 25 writes {WRITE_ATTEMPTS} times"):
        write_batch(client, platform.settings.products_table, puts(25), lambda _: None)
    client.close()
    assert len(throttle.batches) == WRITE_ATTEMPTS


def test_a_sync_through_throttling_loses_nothing(platform: Platform, throttle: Throttle) -> None:
    platform.feed("products", products(400))
    throttle.plan = [7, 0, 24, 13, 1, 0, 25, 2]
    platform.dynamodb = DynamoDBResource(endpoint_url=throttle.url)
    platform.refresh("refresh_products")
    assert len(platform.items()) == 400
    platform.dynamodb.get_client().close()
