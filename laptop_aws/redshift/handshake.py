"""The start of a connection: the client's startup message, and PostgreSQL's for the same session.

`relay` passes on everything after it.
"""

import socket

from laptop_aws.postgres import SOCKET, SUPERUSER
from laptop_aws.redshift.messages import decode, encode, message

_CANCEL, _SSL, _GSS = 80877102, 80877103, 80877104
_MAX_STARTUP_BYTES = 10_000
_PIECE = 256 * 1024

# Drivers for Redshift send more (driver_version, plugin_name, …), which PostgreSQL rejects.
_PARAMETERS = {"user", "database", "client_encoding", "application_name", "options"}

# redshift_connector reads the end of this list as one more mechanism; libpq requires it.
_SASL = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"
_SASL_WITHOUT_END = b"R\0\0\0\x16\0\0\0\x0aSCRAM-SHA-256\0"


def connect() -> socket.socket:
    """Return a connection to PostgreSQL."""
    backend = socket.socket(socket.AF_UNIX)
    backend.connect(SOCKET)
    return backend


def read_startup(client: socket.socket) -> dict[str, str] | None:
    """Return the client's parameters, or None if no session follows (a cancel request).

    Raises:
        ConnectionError: the client disconnects, or does not speak PostgreSQL's protocol.
    """
    while True:
        head = _exactly(client, 4)
        length = int.from_bytes(head, "big")
        if not 8 <= length <= _MAX_STARTUP_BYTES:
            raise ConnectionError("not PostgreSQL's protocol")
        payload = _exactly(client, length - 4)
        code = int.from_bytes(payload[:4], "big")
        if code in (_SSL, _GSS):
            client.sendall(b"N")
        elif code == _CANCEL:
            _cancel(head + payload)
            return None
        else:
            texts = [decode(text) for text in payload[4:].split(b"\0")]
            parameters = dict(zip(texts[::2], texts[1::2], strict=False))
            if parameters.get("user") != SUPERUSER:
                return parameters
            fields = f'SFATAL\0VFATAL\0C28000\0Muser "{SUPERUSER}" is reserved\0\0'.encode()
            client.sendall(message(b"E", fields))
            return None


def send_startup(
    client: socket.socket, backend: socket.socket, parameters: dict[str, str], session: str
) -> None:
    """Start PostgreSQL's session with the client's parameters and the channel's name."""
    options = f"{parameters.get('options', '')} -c redshift.session={session}".strip()
    sent = parameters | {"options": options}
    pairs = "".join(f"{name}\0{sent[name]}\0" for name in sent.keys() & _PARAMETERS)
    backend.sendall(message(b"", (3 << 16).to_bytes(4, "big") + encode(pairs) + b"\0"))
    if "Redshift Python Driver" in parameters.get("driver_version", ""):
        client.sendall(backend.recv(_PIECE).replace(_SASL, _SASL_WITHOUT_END))


def _cancel(request: bytes) -> None:
    with connect() as backend:
        backend.sendall(request)
        backend.recv(1)  # PostgreSQL closes the connection after it has sent the signal


def _exactly(connection: socket.socket, amount: int) -> bytes:
    data = b""
    while len(data) < amount:
        received = connection.recv(amount - len(data))
        if not received:
            raise ConnectionError("the client disconnected during the handshake")
        data += received
    return data
