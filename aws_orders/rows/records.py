"""Strict CSV: parses or counts the records of a stream of bytes. Pure.

The only CSV parser for data that is loaded; previews and the doctor use `csv`. The products
reader, the feed's row counter, the count that a load is checked against and the lookup of rejected
rows all use it, so they agree on where a record ends. See `header` for the columns of a header, and
`products.products_file` for the values of products; Redshift checks the values of orders.

The grammar is RFC 4180, with two additions that AWS documents for COPY's CSV parameter: spaces
and tabs between a delimiter and a quote are ignored, and a row has at most 4 MB.
https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-format.html
https://docs.aws.amazon.com/redshift/latest/dg/r_COPY.html

A malformed record ends at the first LF after its fault, so it never includes a later row.
Nothing is read leniently: a reader that accepts `27" wide` reads on to the next quote, and all
rows in between disappear into one field.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

BOM = b"\xef\xbb\xbf"
MAX_RECORD_BYTES = 4 * 1024 * 1024
# Input is scanned in pieces of this size, which bounds the memory.
PIECE_BYTES = 256 * 1024
FAULTS_KEPT = 10

# What errors about malformed records expect.
VALID_RECORD = (
    "fields separated by commas; a field that contains a quote is quoted, and the quote is written "
    'twice ("27"" wide")'
)
BARE_QUOTE = "a quote in a field that does not begin with one"
TEXT_AFTER_QUOTE = "text after the closing quote"
NOT_CLOSED = "a quoted field that is never closed"
LONE_CR = "a carriage return without a line feed"
TOO_LONG = f"a row of more than {MAX_RECORD_BYTES // 1024 // 1024} MB"

# Possessive quantifiers: a record that does not match costs one pass.
_QUOTED = rb'"(?:[^"]++|"")*+"'
_FIELD = rb'(?:[^",\r\n]*+(?=[,\r\n])|[ \t]*+' + _QUOTED + rb"[ \t]*+(?=[,\r\n]))"
_RECORD = _FIELD + rb"(?:," + _FIELD + rb")*+\r?\n"
_RECORDS = re.compile(rb"(?:" + _RECORD + rb")++")
_ONE_RECORD = re.compile(_RECORD)
_LONE_CR = re.compile(rb"\r(?!\n)")
_PLAIN_TEXT = re.compile(rb'[^",\r\n]*+')
_QUOTED_TEXT = re.compile(_QUOTED)
_BLANKS = re.compile(rb"[ \t]*+")
_FIELD_VALUE = re.compile(rb'(?:\A|,)(?:[ \t]*+"((?:[^"]++|"")*+)"[ \t]*+|([^",]*+))')


@dataclass(frozen=True)
class Records:
    """Consecutive valid records.

    Attributes:
        line: The physical line of the first record's first byte.
        data: The records' bytes, each record with its line end.
    """

    line: int
    data: bytes

    @property
    def lines(self) -> int:
        """The number of physical lines."""
        return self.data.count(b"\n")

    @property
    def count(self) -> int:
        """The number of records: line feeds outside quotes."""
        if b'"' not in self.data:
            return self.lines
        return sum(text.count(b"\n") for text in self.data.split(b'"')[::2])

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield each record's first line and its bytes, without its line end."""
        line = self.line
        for match in _ONE_RECORD.finditer(self.data):
            record = match.group()
            yield line, record.removesuffix(b"\n").removesuffix(b"\r")
            line += record.count(b"\n")


@dataclass(frozen=True)
class Malformed:
    """A record that is not CSV.

    Attributes:
        line: The physical line of its first byte.
        column: The number of the field at fault, from 1.
        reason: The fault, as a noun phrase.
        data: Its bytes up to and including the line feed that ends it.
    """

    line: int
    column: int
    reason: str
    data: bytes

    @property
    def lines(self) -> int:
        """The number of physical lines."""
        return self.data.count(b"\n") or 1


Piece = Records | Malformed


class Scanner:
    """Separates a stream, fed in pieces of any size, into valid and malformed records.

    It holds only the incomplete record, at most 4 MB.

    Args:
        line: The physical line of the stream's first byte.
    """

    def __init__(self, line: int = 1) -> None:
        self._line = line
        self._held = b""
        self._position = 0  # bytes of `_held` that are processed
        self._skips_to_line_end = False

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Add `data` and yield the pieces that are now complete."""
        for start in range(0, len(data), PIECE_BYTES):
            self._held = self._held[self._position :] + data[start : start + PIECE_BYTES]
            self._position = 0
            yield from self._complete(at_end=False)

    def finish(self) -> Iterator[Piece]:
        """Yield the rest; the end of the file also ends a record."""
        rest = self._held[self._position :]
        # No LF is added after a CR: it is a lone CR.
        self._held = rest if rest.endswith((b"\n", b"\r")) or not rest else rest + b"\n"
        self._position = 0
        yield from self._complete(at_end=True)

    def _complete(self, at_end: bool) -> Iterator[Piece]:
        while self._position < len(self._held):
            start, limit = self._position, self._position + MAX_RECORD_BYTES
            if self._skips_to_line_end:
                line_end = self._held.find(b"\n", start) + 1
                self._skips_to_line_end = not line_end
                self._position = line_end or len(self._held)
            elif end := _end_of_valid(self._held, start, limit):
                yield self._records(end)
            else:
                is_whole = at_end or len(self._held) >= limit
                fault = _find_fault(self._held, start, limit, is_whole)
                if fault is None:
                    return
                end = self._held.find(b"\n", fault.position) + 1
                if not end and not is_whole:
                    return
                self._skips_to_line_end = not end
                yield self._malformed(fault, end or len(self._held))

    def _records(self, end: int) -> Records:
        records = Records(self._line, self._held[self._position : end])
        self._position, self._line = end, self._line + records.lines
        return records

    def _malformed(self, fault: "_Fault", end: int) -> Malformed:
        record = self._held[self._position : end]
        malformed = Malformed(self._line, fault.column, fault.reason, record)
        self._position, self._line = end, self._line + malformed.lines
        return malformed


def _end_of_valid(data: bytes, start: int, limit: int) -> int:
    """Return where the valid, complete records at `start` end; 0 if there are none."""
    if data.find(b'"', start, limit) < 0:
        end = data.rfind(b"\n", start, limit) + 1
        lone = _LONE_CR.search(data, start, end) if data.find(b"\r", start, end) >= 0 else None
        return data.rfind(b"\n", start, lone.start()) + 1 if lone else end
    match = _RECORDS.match(data, start, limit)
    return match.end() if match else 0


@dataclass(frozen=True)
class _Fault:
    position: int
    column: int
    reason: str


def _find_fault(data: bytes, start: int, limit: int, is_whole: bool) -> _Fault | None:
    """Find the fault of the record at `start`, which is not valid and complete before `limit`.

    Returns None if the record may still become valid with more data, unless `is_whole`.
    """
    position, column = start, 1
    while True:
        begin, position = position, _end(_PLAIN_TEXT, data, position, limit)
        if data[position : position + 1] == b'"' and position < limit:
            if _end(_BLANKS, data, begin, limit) != position:
                return _Fault(position, column, BARE_QUOTE)
            quoted = _QUOTED_TEXT.match(data, position, limit)
            if quoted is None:
                return _Fault(position, column, NOT_CLOSED) if is_whole else None
            position = _end(_BLANKS, data, quoted.end(), limit)
        follows = data[position : min(position + 2, limit)]
        if follows[:1] == b",":
            position, column = position + 1, column + 1
        elif not follows or (follows == b"\r" and not is_whole):
            return _Fault(position, column, TOO_LONG) if is_whole else None
        else:
            reason = LONE_CR if follows[:1] == b"\r" else TEXT_AFTER_QUOTE
            return _Fault(position, column, reason)


def _end(pattern: re.Pattern[bytes], data: bytes, start: int, limit: int) -> int:
    match = pattern.match(data, start, limit)
    return match.end() if match else start


def scan(chunks: Iterable[bytes], line: int = 1) -> Iterator[Piece]:
    """Yield the pieces of a whole stream; `line` is the physical line of its first byte."""
    scanner = Scanner(line)
    for chunk in chunks:
        yield from scanner.feed(chunk)
    yield from scanner.finish()


def split_fields(record: bytes) -> list[bytes]:
    """Return the unquoted fields of a valid record without its line end."""
    if b'"' not in record:
        return record.split(b",")
    return [
        match[2] if match[1] is None else match[1].replace(b'""', b'"')
        for match in _FIELD_VALUE.finditer(record)
    ]


@dataclass
class RecordCounter:
    """Counts the records of a file, fed in pieces, without its header line.

    Attributes:
        records: Records so far, including malformed ones.
        malformed: Malformed records so far.
        faults: The first `FAULTS_KEPT` malformed ones.
    """

    records: int = 0
    malformed: int = 0
    faults: list[Malformed] = field(default_factory=list)
    _scanner: Scanner = field(default_factory=lambda: Scanner(line=2))
    _in_header: bool = True

    def feed(self, chunk: bytes) -> None:
        """Add `chunk` and count the records that are now complete."""
        if self._in_header:
            _, line_end, chunk = chunk.partition(b"\n")
            self._in_header = not line_end
        self._add(self._scanner.feed(chunk))

    def finish(self) -> None:
        """Count the last record. Call it once, at the end of the file."""
        self._add(self._scanner.finish())

    def _add(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            if isinstance(piece, Records):
                self.records += piece.count
                continue
            self.records += 1
            self.malformed += 1
            if len(self.faults) < FAULTS_KEPT:
                self.faults.append(piece)


def count_records(chunks: Iterable[bytes]) -> RecordCounter:
    """Count the records of a whole file without its first line."""
    counter = RecordCounter()
    for chunk in chunks:
        counter.feed(chunk)
    counter.finish()
    return counter
