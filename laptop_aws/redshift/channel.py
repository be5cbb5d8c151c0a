"""The channel between a session's procedures in PostgreSQL and this server.

A directory with two named pipes and answer files. Here: the order in which both sides open, write
and close, and what happens if one of them ends early. `plan` has the requests, `loading` and
`unloading` the data, and system/channel.sql PostgreSQL's side.

    requests   pipe: one request per line, as JSON
    ready.N    the answer to request N, as JSON; with "error", the request failed
    data       pipe, opened after ready.N
    done.N     the result of sending, written before the pipe is closed: the end of the pipe alone
               does not show success
    last_copy, last_unload   PostgreSQL's record of the last COPY and UNLOAD
"""

import contextlib
import fcntl
import io
import itertools
import json
import logging
import os
import select
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from laptop_aws.redshift import bootstrap
from laptop_aws.redshift.errors import RedshiftError
from laptop_aws.redshift.loading import file_pieces, row_pieces
from laptop_aws.redshift.plan import Request, Verb
from laptop_aws.redshift.unloading import Unloading

log = logging.getLogger(__name__)

# Relative to PostgreSQL's data directory, which is this server's working directory. PostgreSQL
# deletes files with such names when it starts.
_PARENT = Path("base/pgsql_tmp")
_OPENING_SECONDS = 0.0005
_PIPE_BYTES = 1024 * 1024


class Channel:
    """One session's directory, and the thread that serves its requests once it is started."""

    def __init__(self) -> None:
        self.session = uuid.uuid4().hex
        self._directory = _PARENT / f"pgsql_tmp_{self.session}"
        self._directory.mkdir(mode=0o700, parents=True)
        os.mkfifo(self._directory / "requests", 0o600)
        os.mkfifo(self._directory / "data", 0o600)
        # Open for reading and writing, so that neither side waits for the other to open it.
        self._requests = os.open(self._directory / "requests", os.O_RDWR)
        self._thread: threading.Thread | None = None
        self._closed = False
        self._unloading: Unloading | None = None

    def start(self) -> None:
        """Start to serve requests, unless that has been done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the request in progress and delete the directory."""
        self._closed = True
        if self._thread:
            os.write(self._requests, b"\n")
            self._thread.join()
        # Open for reading and writing until the directory is deleted: if PostgreSQL is about to
        # open the pipe, it does not wait forever, but reads its end.
        data = os.open(self._directory / "data", os.O_RDWR)
        shutil.rmtree(self._directory, ignore_errors=True)
        os.close(data)
        os.close(self._requests)

    def _serve(self) -> None:
        with os.fdopen(os.dup(self._requests), "rb") as lines:
            for line in iter(lines.readline, b"\n"):
                for pattern in ("ready.*", "done.*"):
                    for old in self._directory.glob(pattern):
                        old.unlink()
                request = Request.decode(line)
                try:
                    self._handle(request)
                except RedshiftError as failure:
                    self._answer("ready", request, failure)
                except Exception as failure:
                    log.exception("request failed by an error of this server")
                    self._answer("ready", request, _internal(failure))
        self._abort_unload()

    def _handle(self, request: Request) -> None:
        match request.verb:
            case Verb.SEND_FILES:
                self._send(request, file_pieces(request.copy(), request.columns()))
            case Verb.SEND_ROWS:
                self._send(request, row_pieces(request.copy(), request.columns()))
            case Verb.RECORD_ERRORS:
                bootstrap.record(request.fields["database"], request.fields["rows"])
                self._answer("ready", request)
            case Verb.RECEIVE_ROWS:
                self._abort_unload()
                self._unloading = Unloading(request.unload(), request.columns())
                self._receive(request, self._unloading)
            case Verb.FINISH_UNLOAD:
                if self._unloading is None:
                    raise RedshiftError("the files of this UNLOAD could not be written")
                unloading, self._unloading = self._unloading, None
                unloading.finish(request.fields["rows"])
                self._answer("ready", request)

    def _answer(self, kind: str, request: Request, failure: RedshiftError | None = None) -> None:
        answer = {"error": failure.message, "sqlstate": failure.sqlstate} if failure else {}
        draft = self._directory / "draft"
        draft.write_text(json.dumps(answer))
        draft.rename(self._directory / f"{kind}.{request.number}")

    def _send(self, request: Request, pieces: Iterator[bytes]) -> None:
        # A fault in the first piece is reported before any pipe is opened.
        first = next(pieces, b"")
        self._answer("ready", request)
        descriptor = self._open_for_reader()
        if descriptor is None:
            return
        failure: RedshiftError | None = None
        with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb", 0) as pipe:
            try:
                for piece in itertools.chain([first], pieces):
                    _write(pipe, piece)
                    if self._closed:
                        return
            except RedshiftError as found:
                failure = found
            except OSError:
                raise
            except Exception as found:
                log.exception("sending failed by an error of this server")
                failure = _internal(found)
            self._answer("done", request, failure)

    def _open_for_reader(self) -> int | None:
        """Return the data pipe once PostgreSQL reads it; None if another request arrives first."""
        while not select.select([self._requests], [], [], _OPENING_SECONDS)[0]:
            try:
                descriptor = os.open(self._directory / "data", os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # ENXIO: there is no reader yet
                continue
            os.set_blocking(descriptor, True)
            _enlarge(descriptor)
            return descriptor
        return None

    def _receive(self, request: Request, unloading: Unloading) -> None:
        descriptor = os.open(self._directory / "data", os.O_RDONLY | os.O_NONBLOCK)
        with io.FileIO(descriptor, "rb") as pipe:
            _enlarge(descriptor)
            self._answer("ready", request)
            poll = select.poll()
            for number in (descriptor, self._requests):
                poll.register(number, select.POLLIN)
            # If another request arrives before any data, the query failed at once.
            if descriptor not in dict(poll.poll()):
                return
            os.set_blocking(descriptor, True)
            try:
                unloading.write_rows(pipe)
            except RedshiftError as failure:
                self._abort_unload()
                self._answer("done", request, failure)

    def _abort_unload(self) -> None:
        """Abort an UNLOAD that was not finished: its query failed, or its client disconnected."""
        if self._unloading:
            self._unloading.abort()
            self._unloading = None


def _internal(failure: Exception) -> RedshiftError:
    return RedshiftError(f"internal error: {failure!r}")


def _write(pipe: IO[bytes], piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[pipe.write(rest) :]


def _enlarge(pipe: int) -> None:
    """Enlarge a pipe's buffer if the kernel can, so that each side is woken less often."""
    with contextlib.suppress(AttributeError, OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
