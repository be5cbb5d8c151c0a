"""CSV as Redshift reads it: record by record, and a fast check for PostgreSQL's own reader.

Records follow RFC 4180 and AWS's page on COPY's CSV parameter. A quote opens a field or closes
it; a quote anywhere else makes the record malformed. A malformed record ends at the first line
feed after its fault, so that it never contains another row.

`values` converts the fields; `storage` reads the bytes.
https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-format.html
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_RECORD = 4 * 1024 * 1024
"""The longest record, in bytes without its line end.

"The maximum size of a single input row from any source is 4 MB."
https://docs.aws.amazon.com/redshift/latest/dg/r_COPY.html
"""

_BLOCK = 256 * 1024  # of well-formed records, read at once
_BAD_QUOTES = "Invalid quote formatting for CSV"
_TOO_LONG = "Input line is longer than 4 MB"

csv.field_size_limit(MAX_RECORD)


@dataclass(slots=True)
class Record:
    """A well-formed record; bytes that are not UTF-8 are surrogates (`surrogateescape`)."""

    line: int
    """The physical line of its first character, from 1."""
    raw: str
    """The record as it is in the file, without its line end."""
    fields: list[str]


@dataclass(slots=True)
class Malformed:
    """A malformed record, up to the end of the line with the fault."""

    line: int
    raw: str
    field: int
    """The number of the field with the fault, from 1."""
    value: str
    """That field, up to the fault."""
    position: int
    """The number of bytes of the field before the fault."""
    code: int
    """https://docs.aws.amazon.com/redshift/latest/dg/r_Load_Error_Reference.html"""
    reason: str


class Grammar:
    """The regular expressions for one delimiter and one quote character.

    Possessive quantifiers (`*+`) make each match linear in the number of bytes.
    """

    def __init__(self, delimiter: str, quote: str) -> None:
        self.delimiter = delimiter
        self.quote = quote.encode()
        blanks = bytes({*b" \t"} - {*delimiter.encode(), *self.quote})
        names = {
            b"q": re.escape(self.quote),
            b"d": re.escape(delimiter.encode()),
            b"ws": b"[%s]" % blanks if blanks else b"(?:(?!))",
        }
        content = rb"%(q)s((?:[^%(q)s]++|%(q)s%(q)s)*+)%(q)s" % names
        end = rb"(?=%(d)s|\r?\n|\Z)" % names
        self.blanks = re.compile(rb"%(ws)s*+" % names)
        self.quoted = re.compile(content)
        self.plain = re.compile(rb"[^%(d)s%(q)s\r\n]*+" % names)
        self.field = re.compile(
            rb"%(ws)s*+" % names + content + rb"%(ws)s*+" % names + end
            + rb"|([^%(d)s%(q)s\r\n]*+)" % names + end
        )  # fmt: skip
        # Whole records that PostgreSQL reads the same way: without white space around quotes.
        self.same_records = re.compile(
            rb"(?:(?:[^%(q)s\r\n]++|(?<![^%(d)s\n])%(q)s[^%(q)s]*+(?:%(q)s%(q)s[^%(q)s]*+)*+%(q)s"
            rb"(?=[%(d)s\r\n]))*+\r?+\n)*+" % names
        )


class ReadDifferentlyError(Exception):
    """PostgreSQL reads this file differently from Redshift, or may do so."""


def same_for_postgres(
    chunks: Iterable[bytes], grammar: Grammar, limit: int = MAX_RECORD
) -> Iterator[bytes]:
    """Yield the bytes in whole records, as long as PostgreSQL reads them as Redshift does.

    In PostgreSQL, a quote in an unquoted field starts a quoted part that may end many lines
    later, white space around quotes is data, and a lone CR ends a line. A chunk without quotes
    costs two byte counts, a chunk with quotes one regular expression over its whole records.
    Faults are not searched for: an incomplete record is kept until it is too long or the file
    ends.

    Args:
        chunks: The file's bytes, without a byte order mark.
        grammar: The grammar of the file.
        limit: The most bytes to keep, at most the longest record. A record up to one chunk
            shorter may also raise.

    Raises:
        ReadDifferentlyError: read the file record by record and discard what was yielded.
    """
    held, line_end = b"", b"\n"
    for chunk in chunks:
        held += chunk
        if len(held) > limit:
            raise ReadDifferentlyError("a record is malformed or may be too long")
        if end := _whole_records(held, grammar):
            line_end = b"\r\n" if held[end - 2 : end] == b"\r\n" else b"\n"
            yield held[:end]
            held = held[end:]
    if held:
        if held.endswith(b"\r") or not grammar.same_records.fullmatch(held + b"\n"):
            raise ReadDifferentlyError("the last record is malformed")
        yield held + line_end


def _whole_records(data: bytes, grammar: Grammar) -> int:
    if grammar.quote in data:
        match = grammar.same_records.match(data)
        return match.end() if match else 0
    end = data.rfind(b"\n") + 1
    if data.count(b"\r", 0, end) != data.count(b"\r\n", 0, end):
        raise ReadDifferentlyError("a carriage return is not part of a line end")
    return end


# --- Records, one by one ------------------------------------------------------------------------


class _Window:
    """The part of a file in memory; at the start of a record it can hold the longest record."""

    def __init__(self, chunks: Iterable[bytes], limit: int) -> None:
        self._chunks = iter(chunks)
        self._limit = limit
        self.data = b""
        self.at = 0
        self.ended = False

    def fill(self) -> bool:
        """Read more if the longest record might not fit; return whether any bytes are left."""
        size = len(self.data) - self.at
        if not self.ended and size <= self._limit + len(b"\r\n"):
            parts = [self.data[self.at :]]
            while size < 2 * self._limit and not self.ended:
                chunk = next(self._chunks, b"")
                self.ended = not chunk
                parts.append(chunk)
                size += len(chunk)
            self.data, self.at = b"".join(parts), 0
        return size > 0

    def skip_line(self, start: int) -> None:
        """Move past the first line feed from `start`, or to the end of the file."""
        self.at = self.data.find(b"\n", start) + 1
        while not self.at and not self.ended:
            self.data = next(self._chunks, b"")
            self.ended = not self.data
            self.at = self.data.find(b"\n") + 1
        if not self.at:
            self.at = len(self.data)


def records(
    chunks: Iterable[bytes], grammar: Grammar, line: int = 1, limit: int = MAX_RECORD
) -> Iterator[Record | Malformed]:
    """Yield the records of a file; at most twice the longest record is in memory.

    Args:
        chunks: The file's bytes, without a byte order mark and the ignored header lines.
        grammar: The grammar of the file.
        line: The number of the first line.
        limit: The longest record, in bytes.
    """
    window = _Window(chunks, limit)
    while window.fill():
        data, start = window.data, window.at
        match = grammar.same_records.match(data, start, start + min(limit, _BLOCK))
        if match and match.end() > start:
            window.at = match.end()
            yield from _well_formed(data[start : window.at], grammar, line)
            line += data.count(b"\n", start, window.at)
            continue
        fields, end = _fields(grammar, data, start, start + limit)
        if isinstance(fields, _Fault):
            line_end = data.find(b"\n", end)
            raw = data[start : line_end if line_end >= 0 else len(data)].removesuffix(b"\r")
            value = data[fields.start : end]
            window.skip_line(end)
            yield Malformed(line, _text(raw), fields.number, _text(value), len(value), *fields.why)
        else:
            window.at = end + (2 if data.startswith(b"\r", end) else 1)
            yield Record(line, _text(data[start:end]), [_text(field) for field in fields])
        line += data.count(b"\n", start, end) + 1


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _well_formed(data: bytes, grammar: Grammar, line: int) -> Iterator[Record]:
    """Yield records that are known to be well-formed, with Python's lenient reader."""
    lines = io.StringIO(_text(data), newline="\n").readlines()
    reader = csv.reader(lines, delimiter=grammar.delimiter, quotechar=grammar.quote.decode())
    done = 0
    for fields in reader:
        raw = lines[done] if reader.line_num == done + 1 else "".join(lines[done : reader.line_num])
        yield Record(line + done, raw.rstrip("\r\n"), fields or [""])
        done = reader.line_num


@dataclass(slots=True)
class _Fault:
    """The first fault of a record: the field's number and start, and the error's code and text."""

    number: int
    start: int
    why: tuple[int, str]


def _fields(
    grammar: Grammar, data: bytes, start: int, last: int
) -> tuple[list[bytes] | _Fault, int]:
    """Return the fields of a record and its end, or its fault and the position of the fault.

    The record must end at `last` or before, and its quotes must be closed before.
    """
    fields: list[bytes] = []
    at = start
    while True:
        match = grammar.field.match(data, at)
        end = match.end() if match else last + 1
        if match is None or end > last or match.end(1) >= last:
            where = _fault(grammar, data, at, last)
            why = (1216, _TOO_LONG) if where >= last else (1214, _BAD_QUOTES)
            return _Fault(len(fields) + 1, at, why), min(where, last)
        quoted, plain = match.groups()
        fields.append(plain if quoted is None else quoted.replace(grammar.quote * 2, grammar.quote))
        if not data.startswith(grammar.delimiter.encode(), end):
            return fields, end
        at = end + 1


def _fault(grammar: Grammar, data: bytes, at: int, last: int) -> int:
    """Return the position of the wrong character in the field that starts at `at`.

    For a quote that is not closed before `last`, it is the opening quote, because the following
    text may be other records.
    """
    opening = _end(grammar.blanks, data, at)
    if not data.startswith(grammar.quote, opening):
        return _end(grammar.plain, data, at)
    quoted = grammar.quoted.match(data, opening)
    if quoted is None or quoted.end() > last:
        return opening
    return _end(grammar.blanks, data, quoted.end())


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    match = pattern.match(data, at)
    return match.end() if match else at
