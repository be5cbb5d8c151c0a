"""A session's desk: where its procedures ask for things, and data and answers pass.

Belongs here: the directory with its two named pipes, the order in which both sides open, write
and close, and what happens when either leaves half-way. Does not belong here: what the data is
(loading, unloading), nor what PostgreSQL does with it (system.sql).

    requests   a pipe: a line for each request, JSON in hexadecimal digits
    ready.N    an answer to request N, JSON; with "error", a refusal
    data       a pipe, opened once the answer is there
    last_copy  what PostgreSQL keeps of the last COPY, and beside it of the last UNLOAD
    done.N     how the sending went, written before the pipe is closed: its end alone says nothing
"""

import contextlib
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
from typing import IO, Any

from laptop_aws.redshift import bootstrap
from laptop_aws.redshift.errors import RedshiftError
from laptop_aws.redshift.loading import file_pieces, row_pieces
from laptop_aws.redshift.statements import Copy, Unload
from laptop_aws.redshift.unloading import Unloading

log = logging.getLogger(__name__)

# Relative to PostgreSQL's data directory, in which the server runs. What has such a name there,
# PostgreSQL deletes when it starts.
_PLACE = Path("base/pgsql_tmp")
_OPENING_SECONDS = 0.0005
_PIPE_BYTES = 1024 * 1024

Request = dict[str, Any]


class Desk:
    """One session's directory, and the thread that serves it once there is something to serve."""

    def __init__(self) -> None:
        self.session = uuid.uuid4().hex
        self._place = _PLACE / f"pgsql_tmp_{self.session}"
        self._place.mkdir(mode=0o700, parents=True)
        os.mkfifo(self._place / "requests", 0o600)
        os.mkfifo(self._place / "data", 0o600)
        # Open at both ends, so that neither side ever waits for the other to open it.
        self._requests = os.open(self._place / "requests", os.O_RDWR)
        self._thread: threading.Thread | None = None
        self._closed = False
        self._unloading: Unloading | None = None

    def open(self) -> None:
        """Start to serve, unless that was done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End what is under way, and leave nothing behind."""
        self._closed = True
        if self._thread:
            os.write(self._requests, b"\n")
            self._thread.join()
        # Open at both ends until nobody can find it: where PostgreSQL is about to open it, it does
        # not wait there for ever, and meets the pipe's end.
        data = os.open(self._place / "data", os.O_RDWR)
        shutil.rmtree(self._place, ignore_errors=True)
        os.close(data)
        os.close(self._requests)

    def _serve(self) -> None:
        with os.fdopen(os.dup(self._requests), "rb") as lines:
            for line in iter(lines.readline, b"\n"):
                for old in itertools.chain(self._place.glob("ready.*"), self._place.glob("done.*")):
                    old.unlink()
                request = json.loads(bytes.fromhex(line.decode()))
                try:
                    self._carry_out(request)
                except RedshiftError as failure:
                    self._say("ready", request, failure)
                except Exception as failure:
                    log.exception("request failed by an error of this server")
                    self._say("ready", request, RedshiftError(f"internal error: {failure!r}"))
        self._abandon()

    def _carry_out(self, request: Request) -> None:
        match request["do"]:
            case "send_files":
                columns = request["columns"]
                self._send(request, file_pieces(Copy(**_plan(request, "as_is")), columns))
            case "send_rows":
                columns = request["columns"]
                self._send(request, row_pieces(Copy(**_plan(request, "as_is")), columns))
            case "record":
                bootstrap.record(request["database"], request["rows"])
                self._say("ready", request)
            case "unload":
                self._abandon()
                self._unloading = Unloading(Unload(**_plan(request)), request["columns"])
                self._receive(request, self._unloading)
            case "finish":
                if self._unloading is None:
                    raise RedshiftError("the files of this UNLOAD could not be written")
                unloading, self._unloading = self._unloading, None
                unloading.finish(request["rows"])
                self._say("ready", request)

    def _say(self, kind: str, request: Request, failure: RedshiftError | None = None) -> None:
        said = {"error": failure.message, "sqlstate": failure.sqlstate} if failure else {}
        draft = self._place / "draft"
        draft.write_text(json.dumps(said))
        draft.rename(self._place / f"{kind}.{request['number']}")

    def _send(self, request: Request, pieces: Iterator[bytes]) -> None:
        # What goes wrong with the first piece is said before anything is opened.
        first = next(pieces, b"")
        self._say("ready", request)
        descriptor = self._opened_by_reader()
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
                failure = RedshiftError(f"internal error: {found!r}")
            self._say("done", request, failure)

    def _opened_by_reader(self) -> int | None:
        """Return the data pipe, once PostgreSQL reads it; None where it asks something else."""
        while not select.select([self._requests], [], [], _OPENING_SECONDS)[0]:
            try:
                descriptor = os.open(self._place / "data", os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # ENXIO: nobody reads yet
                continue
            os.set_blocking(descriptor, True)
            _widen(descriptor)
            return descriptor
        return None

    def _receive(self, request: Request, unloading: Unloading) -> None:
        descriptor = os.open(self._place / "data", os.O_RDONLY | os.O_NONBLOCK)
        with io.FileIO(descriptor, "rb") as pipe:
            _widen(descriptor)
            self._say("ready", request)
            poll = select.poll()
            for number in (descriptor, self._requests):
                poll.register(number, select.POLLIN)
            # Where PostgreSQL asks something else before it writes, its query failed at once.
            if descriptor not in dict(poll.poll()):
                return
            os.set_blocking(descriptor, True)
            try:
                unloading.take(pipe)
            except RedshiftError as failure:
                self._abandon()
                self._say("done", request, failure)

    def _abandon(self) -> None:
        """Give up an UNLOAD that was not finished: its query failed, or its client left."""
        if self._unloading:
            self._unloading.abort()
            self._unloading = None


def _plan(request: Request, *beside: str) -> dict[str, Any]:
    return {name: value for name, value in request["plan"].items() if name not in beside}


def _write(pipe: IO[bytes], piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[pipe.write(rest) :]


def _widen(pipe: int) -> None:
    """Let more data wait in a pipe, where the kernel can: each side is woken less often."""
    import fcntl

    with contextlib.suppress(AttributeError, OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
