"""Finds a CSV file's records by physical line, as COPY reports them. Pure functions on bytes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aws_orders.rows.records import Malformed, Piece, scan, split_fields

# The longest text of a record that is kept, in characters.
MAX_TEXT = 128 * 1024


@dataclass(frozen=True)
class Record:
    """A record with its fields, and its text without the line end.

    A malformed record has no fields. Bytes that are not UTF-8 are backslash escapes.
    """

    fields: tuple[str, ...]
    text: str


def records_at_lines(
    chunks: Iterable[bytes], wanted: Sequence[int], line: int = 1
) -> Iterator[Record]:
    """For each line number yield the record that contains it, or an empty record.

    Args:
        chunks: A file's bytes, in pieces of any size; not read beyond the last wanted line.
        wanted: Physical lines, in ascending order.
        line: The physical line of the first byte of `chunks`.
    """
    pieces = scan(chunks, line)
    found: Iterator[tuple[int, int, Record]] = iter(())
    first, last, record = 0, 0, Record((), "")
    for number in wanted:
        while last < number:
            following = next(found, None)
            if following is None:
                piece = next(pieces, None)
                if piece is None:
                    first, last, record = number, number, Record((), "")
                elif piece.line + piece.lines > number:
                    found = _records_of(piece)
                continue
            first, last, record = following
        yield record if first <= number else Record((), "")


def _records_of(piece: Piece) -> Iterator[tuple[int, int, Record]]:
    """Yield first line, last line and record of each record of a piece."""
    if isinstance(piece, Malformed):
        yield piece.line, piece.line + piece.lines - 1, Record((), _text(piece.data))
        return
    for line, data in piece:
        fields = tuple(map(_decoded, split_fields(data)))
        yield line, line + data.count(b"\n"), Record(fields, _text(data))


def _text(data: bytes) -> str:
    return _decoded(data).rstrip("\r\n")[:MAX_TEXT]


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
