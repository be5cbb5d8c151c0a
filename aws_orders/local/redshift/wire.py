"""PostgreSQL's wire protocol: building messages, and a minimal client of a backend.

Belongs here: framing, and what can be asked of one backend connection. Does not belong here:
clients' connections (server), and what the questions are for (execute, catalog).
"""

import contextlib
import select
import socket
import struct
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass

from aws_orders.local.postgres import SOCKET, SUPERUSER
from aws_orders.local.redshift.errors import RedshiftError

PROTOCOL_3 = 196608
PIECE = 256 * 1024
"""How many bytes are received or sent at once."""

Row = list[str | None]


def message(kind: bytes, payload: bytes = b"") -> bytes:
    """Return one message as it goes over the wire."""
    return kind + struct.pack(">I", len(payload) + 4) + payload


def error(failure: RedshiftError, severity: str = "ERROR") -> bytes:
    """Return an ErrorResponse."""
    fields = {"S": severity, "V": severity, "C": failure.sqlstate, "M": failure.message}
    return message(b"E", _fields(fields | {"D": failure.detail, "W": failure.context}))


def info(text: str) -> bytes:
    """Return a NoticeResponse of severity INFO."""
    return message(b"N", _fields({"S": "INFO", "V": "INFO", "C": "00000", "M": text}))


def complete(tag: str) -> bytes:
    """Return a CommandComplete."""
    return message(b"C", tag.encode() + b"\0")


def ready(status: str) -> bytes:
    """Return a ReadyForQuery."""
    return message(b"Z", status.encode())


def startup(version: int, parameters: Mapping[str, str]) -> bytes:
    """Return a StartupMessage."""
    pairs = [part for pair in parameters.items() for part in pair]
    payload = struct.pack(">I", version) + _strings(*pairs) + b"\0"
    return struct.pack(">I", len(payload) + 4) + payload


def _fields(fields: Mapping[str, str]) -> bytes:
    return b"".join(_strings(kind + text) for kind, text in fields.items() if text) + b"\0"


def _strings(*texts: str) -> bytes:
    return b"".join(_encoded(text) + b"\0" for text in texts)


def _encoded(text: str) -> bytes:
    # Clients may use another encoding than UTF-8: what is not UTF-8 goes through as it came.
    return text.encode(errors="surrogateescape")


def decoded(data: bytes) -> str:
    """Return text that came over the wire; every byte survives the way back."""
    return data.decode(errors="surrogateescape")


def _failure(payload: bytes) -> RedshiftError:
    parts = payload.decode(errors="replace").split("\0")
    fields = {part[0]: part[1:] for part in parts if part}
    known = (fields.get(kind, "") for kind in "MCDW")
    return RedshiftError(*known)


def connect() -> socket.socket:
    """Return a connection to PostgreSQL; the working directory is its data directory."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(SOCKET)
    except OSError:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def administrator(database: str) -> "Iterator[Backend]":
    """Yield a connection of the cluster's owner, apart from every client's transaction."""
    with connect() as connection:
        parameters = {"user": SUPERUSER, "database": database, "client_encoding": "UTF8"}
        connection.sendall(startup(PROTOCOL_3, parameters))
        backend = Backend(connection)
        backend.drain()
        yield backend
        connection.sendall(message(b"X"))


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of a query's result."""

    name: str
    type_oid: int
    type_modifier: int


class Backend:
    """A backend connection between two statements, or during one of ours.

    Every method leaves it ready for the next statement, also when it raises RedshiftError; an
    OSError means that it is gone. ``status`` is that of the last ReadyForQuery: I, T or E.
    ``aside`` collects what the backend said to nobody in particular, for the client.
    """

    def __init__(self, connection: socket.socket, status: str = "I") -> None:
        self.connection = connection
        self.status = status
        self.aside = bytearray()
        self._buffer = b""

    def query(self, sql: str, *parameters: str | None) -> list[Row]:
        """Run one statement with parameters $1, $2, … and return its rows as text."""
        bind = b"".join(
            struct.pack(">i", -1) if text is None else _sized(_encoded(text)) for text in parameters
        )
        self.connection.sendall(
            message(b"P", _strings("", sql) + b"\0\0")
            + message(b"B", b"\0\0\0\0" + struct.pack(">H", len(parameters)) + bind + b"\0\0")
            + message(b"E", b"\0\0\0\0\0")
            + message(b"S")
        )
        return [_row(payload) for kind, payload in self._answers() if kind == b"D"]

    def script(self, sql: str) -> None:
        """Run several statements."""
        self._send_query(sql)
        self.drain()

    def describe(self, sql: str) -> list[ResultColumn]:
        """Return the columns that a query would yield, without running it."""
        self.connection.sendall(
            message(b"P", _strings("", sql) + b"\0\0") + message(b"D", b"S\0") + message(b"S")
        )
        answers = [payload for kind, payload in self._answers() if kind == b"T"]
        return _result_columns(answers[0]) if answers else []

    def copy_in(self, sql: str, pieces: Iterable[bytes]) -> int:
        """Run a COPY … FROM STDIN, give it ``pieces``, and return the number of rows."""
        self._send_query(sql)
        self._expect(b"G")
        try:
            for piece in pieces:
                if self._has_failed():
                    break
                self.connection.sendall(b"d" + struct.pack(">I", len(piece) + 4))
                self.connection.sendall(piece)
        except Exception as failure:
            self.connection.sendall(message(b"f", _strings(str(failure))))
            with contextlib.suppress(RedshiftError):  # the backend repeats what it is being told
                self.drain()
            raise
        # After an error the backend is past the COPY, and passes over this by itself.
        self.connection.sendall(message(b"c"))
        tags = [payload for kind, payload in self._answers() if kind == b"C"]
        return int(tags[0].rstrip(b"\0").rpartition(b" ")[2])

    def copy_out(self, sql: str) -> Generator[list[bytes]]:
        """Run a COPY … TO STDOUT and yield its rows, as many at a time as have arrived."""
        self._send_query(sql)
        self._expect(b"H")
        done = False
        try:
            while not done:
                if rows := self._take_copied_rows():
                    yield rows
                kind, payload = self._receive()
                done = kind == b"c"
                if kind == b"d":
                    yield [payload]
                elif kind == b"E":
                    raise _failure(payload)
        finally:
            # The reader of these rows may have given up: the next statement needs them gone.
            self._skip_copied_rows()
            self.drain()

    def sync(self) -> bytes:
        """End a batch of the extended protocol; return what was answered to it so far."""
        self.connection.sendall(message(b"S"))
        return b"".join(message(kind, payload) for kind, payload in self._answers())

    def drain(self) -> None:
        """Read up to ReadyForQuery, and raise the error if there was one."""
        for _ in self._answers():
            pass

    def _expect(self, expected: bytes) -> None:
        kind, payload = self._receive()
        if kind == expected:
            return
        self.drain()
        raise _failure(payload) if kind == b"E" else ConnectionError(f"unexpected {kind!r}")

    def _answers(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield what comes before ReadyForQuery; raise, after it, the error that was in it."""
        failure = None
        while True:
            try:
                kind, payload = self._receive()
            except ConnectionError as closed:
                # A FATAL error is the last that is heard of a backend: it says why.
                raise failure or closed from closed
            if kind == b"Z":
                break
            if kind == b"E":
                failure = _failure(payload)
            else:
                yield kind, payload
        if failure is not None:
            raise failure

    def _has_failed(self) -> bool:
        """Tell whether the backend has said that it failed, leaving that to be read."""
        while select.select([self.connection], [], [], 0)[0]:
            self._fill()
            while self._buffer[:1] in (b"N", b"A", b"S") and self._complete():
                self._receive_one()
            if self._buffer[:1] == b"E":
                return True
        return False

    def _send_query(self, sql: str) -> None:
        self.connection.sendall(message(b"Q", _strings(sql)))

    def _receive(self) -> tuple[bytes, bytes]:
        while True:
            kind, payload = self._receive_one()
            if kind not in (b"N", b"A", b"S"):
                return kind, payload

    def _receive_one(self) -> tuple[bytes, bytes]:
        while not self._complete():
            self._fill()
        end = self._end_of_message()
        whole, self._buffer = self._buffer[:end], self._buffer[end:]
        if whole[:1] in (b"N", b"A", b"S"):
            self.aside += whole
        elif whole[:1] == b"Z":
            self.status = chr(whole[5])
        return whole[:1], whole[5:]

    def _take_copied_rows(self) -> list[bytes]:
        """Cut all whole CopyData off the buffer: there are millions, so none by itself."""
        buffer, start, rows = self._buffer, 0, []
        limit = len(buffer) - 5
        length = struct.Struct(">I").unpack_from
        while start <= limit and buffer[start] == 0x64:
            end = start + 1 + length(buffer, start + 1)[0]
            if end > len(buffer):
                break
            rows.append(buffer[start + 5 : end])
            start = end
        self._buffer = buffer[start:]
        return rows

    def _skip_copied_rows(self) -> None:
        while True:
            self._take_copied_rows()
            if self._complete():
                return
            self._fill()

    def _end_of_message(self) -> int:
        return 1 + int.from_bytes(self._buffer[1:5], "big")

    def _complete(self) -> bool:
        return len(self._buffer) >= 5 and len(self._buffer) >= self._end_of_message()

    def _fill(self) -> None:
        received = self.connection.recv(PIECE)
        if not received:
            raise ConnectionError("PostgreSQL closed the connection")
        self._buffer += received


def _sized(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _row(payload: bytes) -> Row:
    row: Row = []
    position = 2
    for _ in range(int.from_bytes(payload[:2], "big")):
        (length,) = struct.unpack_from(">i", payload, position)
        position += 4
        row.append(None if length < 0 else decoded(payload[position : position + length]))
        position += max(length, 0)
    return row


def _result_columns(payload: bytes) -> list[ResultColumn]:
    columns = []
    position = 2
    for _ in range(int.from_bytes(payload[:2], "big")):
        end = payload.index(b"\0", position)
        _, _, type_oid, _, modifier, _ = struct.unpack_from(">IhIhih", payload, end + 1)
        columns.append(ResultColumn(decoded(payload[position:end]), type_oid, modifier))
        position = end + 19
    return columns
