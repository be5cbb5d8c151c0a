"""Every broken feed of the corpus: what is said, and that the last good one stays."""

import gzip
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aws_orders.errors import DataError, TransientError
from aws_orders.intake import receive_orders, receive_products
from aws_orders.product_sync import sync_products
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform
from aws_orders_tests.corpus.faulty_feeds import FAULTY_ORDERS, FAULTY_PRODUCTS, ODD_PRODUCTS
from aws_orders_tests.corpus.orders_file import ADDRESSES

RUN = "_runs/a-run/"
GOOD = PRODUCTS_CSV.encode()
LINE_BY_LINE = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
FIRST_LINES = LINE_BY_LINE.compress(b"\n".join(GOOD.splitlines()[:2]) + b"\n")
FIRST_LINES += LINE_BY_LINE.flush(zlib.Z_SYNC_FLUSH)


@pytest.fixture
def received(platform: Platform) -> Platform:
    """Return a platform that has received both of its feeds."""
    receive_products(platform.s3, platform.settings)
    receive_orders(platform.s3, platform.settings, RUN)
    return platform


def feeds(platform: Platform) -> tuple[str, str]:
    """Return what S3 has of both feeds."""
    return platform.read("raw/products.csv"), platform.read("input/orders/feed.csv")


@pytest.mark.parametrize("name", FAULTY_PRODUCTS)
def test_a_faulty_products_feed_is_refused_by_place_and_the_last_good_one_stays(
    received: Platform, name: str
) -> None:
    content, words = FAULTY_PRODUCTS[name]
    received.feed("products", content)
    with pytest.raises(DataError) as refusal:
        receive_products(received.s3, received.settings)
    told = str(refusal.value)
    expected = [received.settings.products_feed, *words, "to do:"]
    assert [word for word in expected if word not in told] == []
    assert feeds(received) == (PRODUCTS_CSV, ORDERS_CSV)


@pytest.mark.parametrize("name", ODD_PRODUCTS)
def test_an_odd_products_feed_brings_its_products(received: Platform, name: str) -> None:
    content, names = ODD_PRODUCTS[name]
    received.feed("products", content)
    receive_products(received.s3, received.settings)
    sync_products(received.dynamodb, received.s3, received.settings, 0.5)
    found = sorted(item["product_name"] for item in received.items().values())
    assert found == sorted(["Kettle", "Tent", "Rug, round", *names])


@pytest.mark.parametrize("name", FAULTY_ORDERS)
def test_a_faulty_orders_feed_is_refused_by_place_and_the_last_good_one_stays(
    received: Platform, name: str
) -> None:
    content, words = FAULTY_ORDERS[name]
    received.feed("orders", content)
    with pytest.raises(DataError) as refusal:
        receive_orders(received.s3, received.settings, RUN)
    told = str(refusal.value)
    expected = [received.settings.orders_feed, *words, "to do:"]
    assert [word for word in expected if word not in told] == []
    assert [address for address in ADDRESSES if address in told] == []
    assert feeds(received) == (PRODUCTS_CSV, ORDERS_CSV)


FAULTY_ADDRESSES = {
    "address: directory": ("{directory}", "Is a directory"),
    "address: file that has gone": ("file://{directory}/gone.csv", "No such file"),
    "address: key that has gone": ("s3://{bucket}/gone.csv", "NoSuchKey"),
    "address: bucket without a key": ("s3://{bucket}/", "no key"),
    "address: prefix of keys": ("s3://{bucket}/input/orders/", "NoSuchKey"),
    "address: bracket that is not closed": ("http://[bad/products.csv", "Failed to parse"),
    "address: scheme that is not known": ("sftp://example.org/products.csv", "the scheme sftp://"),
}


@pytest.mark.parametrize("name", FAULTY_ADDRESSES)
def test_a_faulty_address_is_told_and_the_last_good_feed_stays(
    received: Platform, name: str
) -> None:
    template, word = FAULTY_ADDRESSES[name]
    url = template.format(directory=received.directory, bucket=received.bucket)
    received.set_feeds(products=url)
    with pytest.raises(DataError) as refusal:
        receive_products(received.s3, received.settings)
    told = str(refusal.value)
    expected = [f"{url}: ", word, "to do:"]
    assert [each for each in expected if each not in told] == []
    assert feeds(received) == (PRODUCTS_CSV, ORDERS_CSV)


@dataclass(frozen=True)
class Answer:
    """What the site answers; `cut` bytes fewer follow than it promises."""

    status: int = 200
    body: bytes = GOOD
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0


GOOD_ANSWER = Answer()
GZIPPED = {"Content-Encoding": "gzip"}
FAULTY_ANSWERS: dict[str, tuple[Answer, str]] = {
    "http: log-in page": (Answer(body=b"<!doctype html>\n<p>Sign in"), "found:    <!doctype html>"),
    "http: log-in wanted": (Answer(401, b""), "HTTP 401 Unauthorized"),
    "http: not allowed": (Answer(403, b""), "HTTP 403 Forbidden"),
    "http: gone for good": (Answer(410, b""), "HTTP 410 Gone"),
    "http: no content": (Answer(204, b""), "HTTP 204"),
    "http: moved to where nothing is": (Answer(301, b"", {"Location": "/none"}), "HTTP 404"),
    "http: moved round in a circle": (Answer(302, b"", {"Location": "/feed"}), "30 redirects"),
    "http: no gzip, though it is said to be": (Answer(headers=GZIPPED), "The feed cannot be read"),
    "http: gzip cut off between two lines": (Answer(200, FIRST_LINES, GZIPPED), "to do"),
}
ODD_ANSWERS = {
    "moved": Answer(307, b"", {"Location": "/good"}),
    "another content type": Answer(headers={"Content-Type": "application/pdf"}),
    "gzipped on the way": Answer(200, gzip.compress(GOOD), GZIPPED),
}


@dataclass
class Site:
    """A web site with a good feed at /good, and at `url` whatever a test says."""

    url: str = ""
    answer: Answer = GOOD_ANSWER


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            by_path = {"/good": GOOD_ANSWER, "/feed": served.answer}
            answer = by_path.get(self.path, Answer(404, b""))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + answer.cut))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}/feed"
        yield served
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", FAULTY_ANSWERS)
def test_a_faulty_answer_is_told_with_its_address_and_the_last_good_feed_stays(
    received: Platform, site: Site, name: str
) -> None:
    answer, word = FAULTY_ANSWERS[name]
    site.answer = answer
    received.set_feeds(products=site.url)
    with pytest.raises(DataError) as refusal:
        receive_products(received.s3, received.settings)
    assert [each for each in (site.url, word, "to do:") if each not in str(refusal.value)] == []
    assert feeds(received) == (PRODUCTS_CSV, ORDERS_CSV)


def test_a_body_that_breaks_off_may_be_tried_again_and_the_last_good_feed_stays(
    received: Platform, site: Site
) -> None:
    site.answer = Answer(body=GOOD + b"7,Lamp,b,c\n", cut=40)
    received.set_feeds(products=site.url)
    with pytest.raises(TransientError, match="40 more expected"):
        receive_products(received.s3, received.settings)
    assert feeds(received) == (PRODUCTS_CSV, ORDERS_CSV)


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_odd_answer_brings_the_feed(received: Platform, site: Site, name: str) -> None:
    site.answer = ODD_ANSWERS[name]
    received.set_feeds(products=site.url)
    intake = receive_products(received.s3, received.settings)
    assert (intake.rows, intake.bytes, intake.changed) == (3, len(GOOD), False)
