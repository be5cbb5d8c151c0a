"""Many CSV files as one stream that PostgreSQL's reader takes, and the way back to a file's line.

Belongs here: what differs between Redshift's and PostgreSQL's idea of a CSV file. Nothing here
parses rows: whole chunks pass through, at the speed of a byte search.
"""

import bisect
from collections.abc import Iterable, Iterator

from aws_orders.local.redshift.storage import Content

CHUNK = 256 * 1024
_BOM = b"\xef\xbb\xbf"


class _UnterminatedQuoteError(Exception):
    """A file ends inside quotes."""


class LineMap:
    """Which line of which file a line of the stream was."""

    def __init__(self) -> None:
        self._before: list[int] = []
        self._files: list[tuple[str, int]] = []

    def begin(self, url: str, stream_lines: int, skipped: int) -> None:
        """Say that a file begins after so many lines of the stream, without its header lines."""
        self._before.append(stream_lines)
        self._files.append((url, skipped))

    def locate(self, line: int) -> tuple[str, int]:
        """Return the file's URL and the line in it."""
        index = max(bisect.bisect_left(self._before, line) - 1, 0)
        url, skipped = self._files[index]
        return url, line - self._before[index] + skipped


def joined(
    files: Iterable[tuple[str, Content]], header_lines: int, lines: LineMap
) -> Iterator[bytes]:
    """Yield the files' rows as one stream, noting in ``lines`` where each began."""
    total = 0
    for url, content in files:
        lines.begin(url, total, header_lines)
        try:
            for chunk in _with_lf(_without_header(_chunks(content), header_lines)):
                total += chunk.count(b"\n")
                yield chunk
        except _UnterminatedQuoteError:
            return  # PostgreSQL would read on in the next file: at the end, it sees the fault


def _chunks(content: Content) -> Iterator[bytes]:
    start = content.read(CHUNK)
    if start:
        yield start.removeprefix(_BOM)
        yield from iter(lambda: content.read(CHUNK), b"")


def _without_header(chunks: Iterable[bytes], lines: int) -> Iterator[bytes]:
    for chunk in chunks:
        rest = chunk
        while lines and rest:
            _, newline, rest = rest.partition(b"\n")
            lines -= len(newline)
        if rest:
            yield rest


def _with_lf(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """End every row with LF, the last one too; quoted line ends stay as they are.

    PostgreSQL refuses a stream that mixes CRLF and LF, and files of both kinds may come together.
    """
    quoted, last, held = 0, b"\n", b""
    for piece in chunks:
        chunk = held + piece
        held = b"\r" if chunk.endswith(b"\r") else b""  # its LF may come with the next piece
        chunk = chunk.removesuffix(held)
        if b"\r" in chunk:
            sections = chunk.split(b'"')
            for outside in range(quoted, len(sections), 2):
                sections[outside] = sections[outside].replace(b"\r\n", b"\n")
            quoted = (quoted + len(sections) - 1) % 2
            chunk = b'"'.join(sections)
        else:
            quoted = (quoted + chunk.count(b'"')) % 2
        if chunk:
            last = chunk[-1:]
            yield chunk
    if quoted:
        raise _UnterminatedQuoteError
    if last != b"\n" or held:
        yield b"\n"
