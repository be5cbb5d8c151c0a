"""Client connections: bytes in both directions, with the statements rewritten on their way.

`rewrite` decides what a statement becomes, `handshake` starts the session, and `messages` has the
protocol's messages.
"""

import logging
import re
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from laptop_aws.redshift import handshake
from laptop_aws.redshift.channel import Channel
from laptop_aws.redshift.messages import (
    CALLED,
    COMMIT,
    COMMITTED,
    ERROR,
    READY,
    READY_FAILED,
    READY_IDLE,
    READY_IN_TRANSACTION,
    decode,
    encode,
    end_of_message,
    message,
    reword_errors,
)
from laptop_aws.redshift.rewrite import Rewritten, rewrite

log = logging.getLogger(__name__)

_PIECE = 256 * 1024
_LOADED = re.compile(rb"completed, (\d+) record\(s\) loaded successfully")


def serve(listener: socket.socket) -> NoReturn:
    """Serve every client that connects, each in its own threads."""
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_serve_client, args=(client,), daemon=True).start()


def _serve_client(client: socket.socket) -> None:
    try:
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            parameters = handshake.read_startup(client)
            if parameters is not None:
                _serve_session(client, parameters)
    except OSError as failure:
        log.debug("connection lost: %s", failure)
    except Exception:
        log.exception("connection ended by an error of this server")


def _serve_session(client: socket.socket, parameters: dict[str, str]) -> None:
    channel = Channel()
    try:
        with handshake.connect() as backend:
            handshake.send_startup(client, backend, parameters, channel.session)
            Relay(client, backend, channel).run()
    finally:
        channel.close()


class Relay:
    """One session, with one thread per direction; each waits for the slower side."""

    def __init__(self, client: socket.socket, backend: socket.socket, channel: Channel) -> None:
        self._client = client
        self._backend = backend
        self._channel = channel
        # Of the statements in execution: the tags of calls that have not ended, and whether the end
        # commits.
        self._tags: deque[bytes] = deque()
        self._commits = False
        self._loaded = b"0"
        # Whether a transaction block was open when the backend last became ready.
        self._in_transaction = False
        # Prepared statements with tags or a commit, by name, and the one that was bound last.
        self._prepared: dict[bytes, Rewritten] = {}
        self._bound: Rewritten | None = None

    def run(self) -> None:
        """Relay until either side disconnects."""
        other = threading.Thread(
            target=self._until_closed, args=(self._relay_answers,), daemon=True
        )
        other.start()
        self._until_closed(self._relay_requests)
        other.join()

    def _until_closed(self, direction: Callable[[], None]) -> None:
        try:
            direction()
        except OSError as failure:
            log.debug("connection lost: %s", failure)
        finally:
            for side in (self._backend, self._client):
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

    def _relay_requests(self) -> None:
        """Pass on the client's messages; rewrite those with SQL."""
        inbox = bytearray()
        while piece := self._client.recv(_PIECE):
            inbox += piece
            outbox, passed, position = bytearray(), 0, 0
            while end := end_of_message(inbox, position):
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

    def _rewritten(self, original: bytes) -> bytes:
        kind, payload = original[:1], original[5:]
        # SQL ends with a zero byte; in a Parse message a name precedes it and types follow.
        name, text = (b"", payload) if kind == b"Q" else payload.split(b"\0", 1)
        text, _, rest = text.partition(b"\0")
        new = rewrite(decode(text), self._in_transaction)
        if new.tags:
            self._channel.start()
        if kind == b"Q":
            self._tags.clear()
            self._expect(new)
            return message(kind, encode(new.sql) + b"\0")
        self._prepared.pop(name, None)
        if new.tags or new.commits:
            self._prepared[name] = new
        return message(kind, name + b"\0" + encode(new.sql) + b"\0" + rest)

    def _expect(self, executed: Rewritten) -> None:
        self._tags.extend(executed.tags)
        self._commits = executed.commits

    def _relay_answers(self) -> None:
        """Pass on the backend's data as it arrives."""
        held = b""
        while piece := self._backend.recv(_PIECE):
            data = held + piece
            held = b""
            if ERROR in data:
                data, held = reword_errors(data)
            if data[-6:-1] == READY:
                self._in_transaction = data[-1:] != b"I"
            if self._tags:
                data = self._tagged(data)
            if self._commits and data.endswith((READY_IN_TRANSACTION, READY_IDLE)):
                self._commits = False
                if data.endswith(b"T"):
                    data = data[: -len(READY_IN_TRANSACTION)] + self._committed()
            self._client.sendall(data)

    def _tagged(self, data: bytes) -> bytes:
        """Return the data with Redshift's tags instead of CALL; COPY has a count."""
        passed = b""
        while self._tags and data:
            before, called, data = data.partition(CALLED)
            self._loaded = (_LOADED.findall(before) or [self._loaded])[-1]
            passed += before
            if called:
                tag = self._tags.popleft()
                passed += message(b"C", tag + (b" " + self._loaded) * (tag == b"COPY") + b"\0")
        return passed + data

    def _committed(self) -> bytes:
        """Commit for the client; return the answer without the tag of COMMIT."""
        self._backend.sendall(COMMIT)
        answer = b""
        while not answer.endswith((READY_IDLE, READY_FAILED)):
            piece = self._backend.recv(_PIECE)
            if not piece:
                raise ConnectionError("PostgreSQL closed the connection during a commit")
            answer += piece
        self._in_transaction = False
        return answer.replace(COMMITTED, b"", 1)
