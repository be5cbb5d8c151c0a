"""A web site with one page, which misbehaves on request."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aws_orders_tests.conftest import ORDERS_CSV


@dataclass
class Site:
    """A web site with one page, and its next answers."""

    url: str = ""
    body: bytes = ORDERS_CSV.encode()
    headers: dict[str, str] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)
    cut: int = 0
    bodies_sent: int = 0


@contextmanager
def serve_page() -> Iterator[Site]:
    """Serve one page on 127.0.0.1 until the context is left."""
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if served.failures:
                self.send_error(served.failures.pop(0))
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(served.body) + served.cut))
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(served.body)
            served.bodies_sent += 1

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}/orders.csv"
        yield served
        server.shutdown()
        thread.join()
