"""Small servers for tests: web sites, AWS APIs that the laptop's AWS lacks, and TLS.

Belongs here: what listens. What is asked of it, and what must come of that, is the tests'.
"""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Answer = tuple[int, str]


@dataclass
class Site:
    """A web server that answers with exactly these bytes, and closes the connection.

    Attributes:
        url: Where it is.
        answers: By method and path, the answer: status line, headers and body, in pieces that
            are sent one by one. A path without a HEAD of its own has the head of its GET.
        asked: The methods and paths of the requests.
    """

    url: str = ""
    answers: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def page(self, path: str, body: bytes, *headers: str, status: str = "200 OK") -> str:
        """Serve `body` with its length and `headers`; return its URL."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        self.answers["GET", path] = ["\r\n".join(lines).encode(), body]
        return self.url + path

    def count(self, method: str) -> int:
        return [asked for asked, _ in self.asked].count(method)


@contextmanager
def site() -> Iterator[Site]:
    """Serve a web site on 127.0.0.1."""
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            method, path = self.command, self.path
            served.asked.append((method, path))
            pieces = served.answers.get((method, path))
            if pieces is None and method == "HEAD":
                pieces = served.answers["GET", path][:1]
            self.close_connection = True
            with suppress(ConnectionError):  # the client may have seen enough
                for piece in pieces or [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]:
                    self.wfile.write(piece)
                    self.wfile.flush()
                    time.sleep(0.01)

        do_GET = do_HEAD = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Aws:
    """An HTTP server that speaks AWS's JSON and query protocols, as far as a test says.

    Attributes:
        answers: By operation, what answers its parameters: a status and a body. Any other
            operation is denied.
        asked: The operations asked for, with their parameters.
        regions: The regions that the requests were signed for.
    """

    url: str = ""
    answers: dict[str, Callable[[dict[str, Any]], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    regions: set[str] = field(default_factory=set)

    def count(self, operation: str) -> int:
        return [name for name, _ in self.asked].count(operation)


@contextmanager
def aws() -> Iterator[Aws]:
    """Serve AWS's APIs on 127.0.0.1."""
    state = Aws()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.regions.add(self.headers["Authorization"].split("/")[2])  # key/date/region/…
            target = self.headers.get("X-Amz-Target", "")
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation, parameters = _request(target, body.decode())
            state.asked.append((operation, parameters))
            answer = state.answers.get(operation, denied if target else denied_xml)
            self._reply(*answer(parameters | {"Action": operation}))

        def do_GET(self) -> None:  # S3's reads
            state.asked.append((self.path, {}))
            self._reply(*denied_xml({"Action": self.path}))

        def do_HEAD(self) -> None:
            state.asked.append((self.path, {}))
            self._reply(403, "")

        def _reply(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def _request(target: str, body: str) -> tuple[str, dict[str, Any]]:
    """Return the operation and its parameters, in JSON if it is in the header X-Amz-Target."""
    if target:
        return target.rpartition(".")[2], json.loads(body)
    parameters = dict(parse_qsl(body))
    return parameters.pop("Action", ""), parameters


def denied(parameters: dict[str, Any]) -> Answer:
    message = f"User: arn:aws:iam::123456789012:user/me may not {parameters['Action']}"
    return 400, json.dumps({"__type": "AccessDeniedException", "message": message})


def denied_xml(parameters: dict[str, Any]) -> Answer:
    message = f"User: arn:aws:iam::123456789012:user/me may not {parameters['Action']}"
    error = f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"
    return 403, f"<ErrorResponse>{error}</ErrorResponse>"


@dataclass(frozen=True)
class Authority:
    """A certificate authority of a test's own; `roots` is the file that makes it trusted."""

    roots: Path
    key: ec.EllipticCurvePrivateKey
    name: x509.Name

    def certify(self, host: str, directory: Path) -> Path:
        """Return a file with a certificate for `host`, a name or an address, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            names: list[x509.GeneralName] = [x509.IPAddress(ip_address(host))]
        except ValueError:
            names = [x509.DNSName(host)]
        builder = _certificate(_named(host), self.name, key).add_extension(
            x509.SubjectAlternativeName(names), critical=False
        )
        path = directory / f"{host}.pem"
        path.write_bytes(
            builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return path


def authority(directory: Path, name: str) -> Authority:
    """Make a certificate authority, its root in a file in `directory`."""
    key, named = ec.generate_private_key(ec.SECP256R1()), _named(name)
    builder = _certificate(named, named, key).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    roots = directory / f"{name}-root.pem"
    certificate = builder.sign(key, hashes.SHA256())
    roots.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(roots, key, named)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


@contextmanager
def tls_before(port: int, certificate: Path) -> Iterator[int]:
    """Serve TLS with `certificate` in front of PostgreSQL's protocol on `port`; yield its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def relay(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def serve(client: socket.socket) -> None:
        with closing(client), suppress(OSError):
            client.recv(8)  # SSLRequest
            client.sendall(b"S")
            with (
                context.wrap_socket(client, server_side=True) as secure,
                socket.create_connection(("127.0.0.1", port)) as backend,
            ):
                back = threading.Thread(target=relay, args=(backend, secure), daemon=True)
                back.start()
                relay(secure, backend)
                back.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
