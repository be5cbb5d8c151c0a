"""Clients' connections: bytes in both directions, and the statements rewritten on their way.

Belongs here: the handshake, the messages' frames, and the few answers of PostgreSQL's that
clients must see otherwise. Does not belong here: what becomes of a statement (rewrite).
"""

import logging
import re
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from laptop_aws.postgres import SOCKET, SUPERUSER
from laptop_aws.redshift.desk import Desk
from laptop_aws.redshift.rewrite import Rewritten, rewrite

log = logging.getLogger(__name__)

_CANCEL, _SSL, _GSS = 80877102, 80877103, 80877104
_LONGEST_GREETING = 10_000
_PIECE = 256 * 1024

# Drivers of Redshift send others too (driver_version, plugin_name, …), which PostgreSQL refuses.
_PARAMETERS = {"user", "database", "client_encoding", "application_name", "options"}

# redshift_connector takes the end of this list for one more mechanism; libpq wants it there.
_SASL = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"
_ENDLESS_SASL = b"R\0\0\0\x16\0\0\0\x0aSCRAM-SHA-256\0"
_CALLED = b"C\0\0\0\x09CALL\0"
_LOADED = re.compile(rb"completed, (\d+) record\(s\) loaded successfully")
_READY = b"Z\0\0\0\x05"
_READY_IN_TRANSACTION = b"Z\0\0\0\x05T"
_COMMIT = b"Q\0\0\0\x0bCOMMIT\0"
_COMMITTED = b"C\0\0\0\x0bCOMMIT\0"

# Redshift reports a serialization failure as an internal error that begins with its number 1023:
# https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation-serializable-isolation-troubleshooting.html
# As long as PostgreSQL's own words, so that the message's length stays right. Frame bytes in
# front keep this from being found in a row.
_CONFLICTS = {
    b"SERROR\0VERROR\0C40001\0Mcould not serialize access due to concurrent update\0":
        b"SERROR\0VERROR\0CXX000\0M1023: Serializable isolation violation by an update\0",
    b"SERROR\0VERROR\0C40001\0Mcould not serialize access due to concurrent delete\0":
        b"SERROR\0VERROR\0CXX000\0M1023: Serializable isolation violation by a delete.\0",
    b"SERROR\0VERROR\0C40001\0Mcould not serialize access due to read/write dependencies"
    b" among transactions\0":
        b"SERROR\0VERROR\0CXX000\0M1023: Serializable isolation violation among transactions"
        b" that form a cycle.\0",
}  # fmt: skip
_ERROR = b"SERROR\0"
# Where an error arose in the procedures behind COPY and UNLOAD is nobody's business; clients
# pass over fields of an error that they do not know.
_CONTEXT = re.compile(rb"\0W([^\0]*PL/pgSQL function redshift\.)")


def serve(listener: socket.socket) -> NoReturn:
    """Serve every client that connects, each in threads of its own."""
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_serve_client, args=(client,), daemon=True).start()


def _serve_client(client: socket.socket) -> None:
    try:
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            greeting = _greeted(client)
            if greeting is not None:
                _serve_session(client, greeting)
    except OSError as failure:
        log.debug("connection lost: %s", failure)
    except Exception:
        log.exception("connection ended by an error of this server")


def _serve_session(client: socket.socket, greeting: dict[str, str]) -> None:
    desk = Desk()
    try:
        with _backend() as backend:
            session = f"-c redshift.session={desk.session}"
            greeting["options"] = f"{greeting.get('options', '')} {session}".strip()
            backend.sendall(_startup(greeting))
            if "Redshift Python Driver" in greeting.get("driver_version", ""):
                client.sendall(backend.recv(_PIECE).replace(_SASL, _ENDLESS_SASL))
            _Relay(client, backend, desk).run()
    finally:
        desk.close()


def _backend() -> socket.socket:
    backend = socket.socket(socket.AF_UNIX)
    backend.connect(SOCKET)
    return backend


# --- The handshake ------------------------------------------------------------------------------


def _greeted(client: socket.socket) -> dict[str, str] | None:
    """Return the client's parameters, or None where there is no session to be."""
    while True:
        head = _exactly(client, 4)
        length = int.from_bytes(head, "big")
        if not 8 <= length <= _LONGEST_GREETING:
            raise ConnectionError("not PostgreSQL's protocol")
        payload = _exactly(client, length - 4)
        code = int.from_bytes(payload[:4], "big")
        if code in (_SSL, _GSS):
            client.sendall(b"N")
        elif code == _CANCEL:
            with _backend() as backend:
                backend.sendall(head + payload)
                backend.recv(1)  # PostgreSQL hangs up once the signal is sent
            return None
        else:
            texts = [_decoded(text) for text in payload[4:].split(b"\0")]
            given = dict(zip(texts[::2], texts[1::2], strict=False))
            if given.get("user") == SUPERUSER:
                fields = f'SFATAL\0VFATAL\0C28000\0Muser "{SUPERUSER}" is reserved\0\0'.encode()
                client.sendall(_message(b"E", fields))
                return None
            return given


def _startup(parameters: dict[str, str]) -> bytes:
    pairs = "".join(f"{name}\0{parameters[name]}\0" for name in parameters.keys() & _PARAMETERS)
    return _message(b"", (3 << 16).to_bytes(4, "big") + _encoded(pairs) + b"\0")


def _message(kind: bytes, payload: bytes) -> bytes:
    return kind + (len(payload) + 4).to_bytes(4, "big") + payload


def _exactly(connection: socket.socket, amount: int) -> bytes:
    data = b""
    while len(data) < amount:
        received = connection.recv(amount - len(data))
        if not received:
            raise ConnectionError("client left during the handshake")
        data += received
    return data


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


# --- The relay ----------------------------------------------------------------------------------


class _Relay:
    """One session: a thread for each direction, each of which waits for the slower side."""

    def __init__(self, client: socket.socket, backend: socket.socket, desk: Desk) -> None:
        self._client = client
        self._backend = backend
        self._desk = desk
        # Of what is executed: the tags of calls to come, and whether its end commits.
        self._tags: deque[bytes] = deque()
        self._commits = False
        self._loaded = b"0"
        # Whether a transaction block was open when the backend last waited for a statement.
        self._in_transaction = False
        # Prepared statements of which the same is to be known, by name; and the one bound last.
        self._prepared: dict[bytes, Rewritten] = {}
        self._bound: Rewritten | None = None

    def run(self) -> None:
        """Relay until either side leaves."""
        other = threading.Thread(target=self._guarded, args=(self._answer,), daemon=True)
        other.start()
        self._guarded(self._ask)
        other.join()

    def _guarded(self, direction: Callable[[], None]) -> None:
        try:
            direction()
        except OSError as failure:
            log.debug("connection lost: %s", failure)
        finally:
            for side in (self._backend, self._client):
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

    def _ask(self) -> None:
        """Pass on what the client sends, message by message."""
        inbox = bytearray()
        while piece := self._client.recv(_PIECE):
            inbox += piece
            outbox, passed, position = bytearray(), 0, 0
            while end := _end_of_message(inbox, position):
                match inbox[position : position + 1]:
                    case b"Q" | b"P":
                        outbox += inbox[passed:position]
                        outbox += self._rewritten(bytes(inbox[position:end]))
                        passed = end
                    case b"B":
                        _, name, _ = bytes(inbox[position + 5 : end]).split(b"\0", 2)
                        self._bound = self._prepared.get(name)
                    case b"E" if self._bound:
                        self._expect(self._bound)
                position = end
            outbox += inbox[passed:position]
            del inbox[:position]
            self._backend.sendall(outbox)

    def _rewritten(self, message: bytes) -> bytes:
        kind, payload = message[:1], message[5:]
        # A query ends with a zero byte; in a Parse, its name comes before and types come after.
        name, text = (b"", payload) if kind == b"Q" else payload.split(b"\0", 1)
        text, _, rest = text.partition(b"\0")
        new = rewrite(_decoded(text), self._in_transaction)
        if new.tags:
            self._desk.open()
        if kind == b"Q":
            self._tags.clear()
            self._expect(new)
            return _message(kind, _encoded(new.sql) + b"\0")
        self._prepared.pop(name, None)
        if new.tags or new.commits:
            self._prepared[name] = new
        return _message(kind, name + b"\0" + _encoded(new.sql) + b"\0" + rest)

    def _expect(self, executed: Rewritten) -> None:
        self._tags.extend(executed.tags)
        self._commits = executed.commits

    def _answer(self) -> None:
        """Pass on what the backend sends, as it comes."""
        held = b""
        while piece := self._backend.recv(_PIECE):
            data = held + piece
            held = b""
            if _ERROR in data:
                data, held = _in_redshifts_words(data)
            if data[-6:-1] == _READY:
                self._in_transaction = data[-1:] != b"I"
            if self._tags:
                data = self._tagged(data)
            if self._commits and data.endswith((_READY_IN_TRANSACTION, b"Z\0\0\0\x05I")):
                self._commits = False
                if data.endswith(b"T"):
                    data = data[: -len(_READY_IN_TRANSACTION)] + self._committed()
            self._client.sendall(data)

    def _tagged(self, data: bytes) -> bytes:
        """Return the data with calls' tags as Redshift gives them: COPY with a count."""
        passed = b""
        while self._tags and data:
            before, called, data = data.partition(_CALLED)
            self._loaded = (_LOADED.findall(before) or [self._loaded])[-1]
            passed += before
            if called:
                tag = self._tags.popleft()
                passed += _message(b"C", tag + (b" " + self._loaded) * (tag == b"COPY") + b"\0")
        return passed + data

    def _committed(self) -> bytes:
        """Commit on the client's behalf; return the ReadyForQuery that ends the answer to that."""
        self._backend.sendall(_COMMIT)
        answer = b""
        while not answer.endswith((b"Z\0\0\0\x05I", b"Z\0\0\0\x05E")):
            piece = self._backend.recv(_PIECE)
            if not piece:
                raise ConnectionError("PostgreSQL went away during a commit")
            answer += piece
        self._in_transaction = False
        return answer.replace(_COMMITTED, b"", 1)


def _in_redshifts_words(data: bytes) -> tuple[bytes, bytes]:
    """Return the data with errors reworded, and its end, where that may be half an error."""
    for theirs, ours in _CONFLICTS.items():
        data = data.replace(theirs, ours)
    data = _CONTEXT.sub(rb"\0w\1", data)
    end = data[data.rfind(_ERROR) :]
    if any(theirs.startswith(end) for theirs in _CONFLICTS):
        return data.removesuffix(end), end
    return data, b""


def _end_of_message(inbox: bytearray, position: int) -> int:
    """Return where the message at ``position`` ends, or 0 while it is incomplete."""
    if len(inbox) < position + 5:
        return 0
    end = position + 1 + int.from_bytes(inbox[position + 1 : position + 5], "big")
    return end if end <= len(inbox) else 0
