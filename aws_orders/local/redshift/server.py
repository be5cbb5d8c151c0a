"""Clients' connections: what goes through as it is, and what is carried out here.

Belongs here: the handshake, the relay between client and backend, and when a statement may be
taken out of it. Does not belong here: what COPY and UNLOAD do (execute).
"""

import logging
import select
import socket
import threading
from typing import NoReturn

from aws_orders.local.postgres import SUPERUSER
from aws_orders.local.redshift import wire
from aws_orders.local.redshift.errors import NOT_SUPPORTED, RedshiftError
from aws_orders.local.redshift.execute import execute, fail_transaction
from aws_orders.local.redshift.statements import interpret

log = logging.getLogger(__name__)

_CANCEL, _SSL, _GSS = 80877102, 80877103, 80877104
_LONGEST_GREETING = 10_000

# Drivers of Redshift send others too (driver_version, plugin_name, …), which PostgreSQL refuses.
_PARAMETERS = {"user", "database", "client_encoding", "application_name", "options"}

# Copy data, flush, terminate, password: what may follow a query that is not answered yet.
_WHILE_BUSY = b"dcfHXp"

_READY = b"Z\0\0\0\5"
_ASYNCHRONOUS = b"NAS"  # notice, notification, parameter status
_TAIL = 16 * 1024  # more than the longest notification


def serve(listener: socket.socket) -> NoReturn:
    """Serve every client that connects, each in a thread."""
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_serve_client, args=(client,), daemon=True).start()


def _serve_client(client: socket.socket) -> None:
    try:
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            greeting = _greeted(client)
            if greeting is None:
                return
            with wire.connect() as backend:
                backend.sendall(greeting)
                _Relay(client, backend).run()
    except OSError as failure:
        log.debug("connection lost: %s", failure)
    except Exception:
        log.exception("connection ended by an error of this server")


# --- The handshake ------------------------------------------------------------------------------


def _greeted(client: socket.socket) -> bytes | None:
    """Return the StartupMessage for the backend, or None where the client wants no session."""
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
            _forward_cancel(head + payload)
            return None
        else:
            return _startup(client, code, payload[4:])


def _startup(client: socket.socket, version: int, payload: bytes) -> bytes | None:
    texts = [wire.decoded(text) for text in payload.split(b"\0")]
    given = dict(zip(texts[::2], texts[1::2], strict=False))
    if given.get("user") == SUPERUSER:
        refused = RedshiftError(f'user "{SUPERUSER}" is reserved', "28000")
        client.sendall(wire.error(refused, "FATAL"))
        return None
    return wire.startup(version, {name: given[name] for name in given.keys() & _PARAMETERS})


def _forward_cancel(packet: bytes) -> None:
    with wire.connect() as backend:
        backend.sendall(packet)
        backend.recv(1)  # PostgreSQL hangs up once the signal is sent


def _exactly(connection: socket.socket, amount: int) -> bytes:
    data = b""
    while len(data) < amount:
        received = connection.recv(amount - len(data))
        if not received:
            raise ConnectionError("client left during the handshake")
        data += received
    return data


# --- The relay ----------------------------------------------------------------------------------


class _Relay:
    """One session: bytes in both directions, and the statements taken out of them.

    The backend's answers pass through unread, but for their end. So that this end tells when the
    backend is idle, a query or Sync is held back until the one before it is answered. Neither
    side is read while the other has not taken what was read: memory stays bounded.
    """

    def __init__(self, client: socket.socket, backend: socket.socket) -> None:
        self._client = client
        self._backend = backend
        self._inbox = bytearray()
        self._to_client = memoryview(b"")
        self._to_backend = memoryview(b"")
        self._held = False
        # At first, authentication has to be answered.
        self._awaiting = True
        self._in_extended_protocol = False
        self._status = "I"
        self._tail = b""
        self._refusal: RedshiftError | None = None

    def run(self) -> None:
        """Relay until either side leaves."""
        while True:
            readable, writable = self._wait()
            if self._backend in writable:
                self._to_backend = _send(self._backend, self._to_backend)
            if self._client in writable:
                self._to_client = _send(self._client, self._to_client)
            if self._backend in readable:
                data = self._backend.recv(wire.PIECE)
                if not data:
                    return
                self._to_client = _send(self._client, memoryview(data))
                if self._awaiting:
                    self._look_for_the_end(data)
            if self._client in readable:
                data = self._client.recv(wire.PIECE)
                if not data:
                    return
                self._inbox += data
            if not self._to_backend:
                self._pass_messages()

    def _wait(self) -> tuple[set[socket.socket], set[socket.socket]]:
        """Return which sides can be read, and which written, without waiting."""
        poll = select.poll()
        wanted = {}
        for side, to_write, may_read in (
            (self._client, self._to_client, not (self._to_backend or self._held)),
            (self._backend, self._to_backend, not self._to_client),
        ):
            events = (select.POLLOUT if to_write else 0) | (select.POLLIN if may_read else 0)
            if events:  # a side that nothing is wanted of would report its hang-up over and over
                poll.register(side, events)
                wanted[side.fileno()] = side, events
        readable, writable = set(), set()
        for number, event in poll.poll():
            side, events = wanted[number]
            # A hang-up is for the next read or write to meet.
            if events & select.POLLIN and event & ~select.POLLOUT:
                readable.add(side)
            if events & select.POLLOUT and event & ~select.POLLIN:
                writable.add(side)
        return readable, writable

    def _look_for_the_end(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-_TAIL:] if len(data) < _TAIL else data[-_TAIL:]
        if status := _status_at_end(self._tail):
            self._status = status
            self._awaiting = False
            self._tail = b""

    def _pass_messages(self) -> None:
        """Hand on what has come from the client, up to what must wait for an answer."""
        position = passed = 0
        self._held = False
        while end := _end_of_message(self._inbox, position):
            kind = self._inbox[position : position + 1]
            if self._awaiting and kind not in _WHILE_BUSY:
                self._held = True
                break
            if kind == b"Q" or self._refusal or kind == b"P":
                # What comes before has to be with the backend before this is carried out.
                self._pass(self._inbox[passed:position])
                passed = position
                if self._is_ours(bytes(kind), bytes(self._inbox[position + 5 : end])):
                    passed = end
            position = end
            if passed != end:
                self._note_passing(kind)
        self._pass(self._inbox[passed:position])
        del self._inbox[:position]

    def _pass(self, messages: bytearray) -> None:
        waiting = self._to_backend.tobytes() + messages if self._to_backend else messages
        self._to_backend = _send(self._backend, memoryview(waiting))

    def _note_passing(self, kind: bytearray) -> None:
        if kind in b"QSF":
            self._awaiting = True
            self._in_extended_protocol = kind == b"S"
        elif kind in b"cf" and self._in_extended_protocol:
            # The backend skips a Sync that came before the copied data; another one follows.
            self._awaiting = False

    def _is_ours(self, kind: bytes, payload: bytes) -> bool:
        """Take a message out of the relay, if it has to be; tell whether that was done."""
        if self._refusal:
            if kind == b"S":
                self._answer_refused(self._refusal)
                self._refusal = None
            return True
        if kind == b"Q":
            return self._carried_out(wire.decoded(payload.rstrip(b"\0")))
        try:
            ours = interpret(wire.decoded(payload.split(b"\0")[1])) is not None
        except RedshiftError:
            ours = True
        if ours:
            self._refusal = RedshiftError(
                "COPY and UNLOAD are not supported here in the extended query protocol: "
                "send them as a simple query, without parameters",
                NOT_SUPPORTED,
            )
        return ours

    def _carried_out(self, sql: str) -> bool:
        backend = self._taken_backend()
        try:
            statement = interpret(sql)
            if statement is None:
                return False
            outcome = execute(statement, backend)
            answer = wire.info(outcome.notice) + wire.complete(outcome.tag)
        except RedshiftError as failure:
            fail_transaction(backend, failure)
            answer = wire.error(failure)
        self._answer(backend, answer)
        return True

    def _answer_refused(self, refusal: RedshiftError) -> None:
        backend = self._taken_backend()
        # Earlier messages of the same batch may still want their answers.
        earlier = backend.sync()
        fail_transaction(backend, refusal)
        self._answer(backend, earlier + wire.error(refusal))

    def _taken_backend(self) -> wire.Backend:
        """Return the idle backend, to be used for a while without the relay."""
        return wire.Backend(self._backend, self._status)

    def _answer(self, backend: wire.Backend, answer: bytes) -> None:
        self._status = backend.status
        whole = bytes(backend.aside) + answer + wire.ready(backend.status)
        self._to_client = _send(self._client, memoryview(self._to_client.tobytes() + whole))


def _send(connection: socket.socket, data: memoryview) -> memoryview:
    """Send what can be sent without waiting, and return the rest."""
    if not data:
        return data
    try:
        return data[connection.send(data, socket.MSG_DONTWAIT) :]
    except BlockingIOError:
        return data


def _end_of_message(inbox: bytearray, position: int) -> int:
    """Return where the message at ``position`` ends, or 0 while it is incomplete."""
    if len(inbox) < position + 5:
        return 0
    end = position + 1 + int.from_bytes(inbox[position + 1 : position + 5], "big")
    return end if end <= len(inbox) else 0


def _status_at_end(tail: bytes) -> str:
    """Return the transaction status, if the backend's output ends with ReadyForQuery.

    A row can look like it where a read happens to end. That does no harm: the client does not
    take it for one, and sends nothing.
    """
    position = tail.rfind(_READY)
    if position < 0 or position + 6 > len(tail):
        return ""
    status = chr(tail[position + 5])
    position += 6
    while position + 5 <= len(tail) and tail[position] in _ASYNCHRONOUS:
        position += 1 + int.from_bytes(tail[position + 1 : position + 5], "big")
    return status if position == len(tail) else ""
