"""What COPY loads: files and items, as the bytes that PostgreSQL's own COPY reads.

Belongs here: how Redshift reads a file or an item, up to the fields' types. Does not belong here:
whether a field fits its column, and what happens to a row that does not (system.sql).
"""

import csv
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from itertools import islice
from typing import Any

from aws_orders.local.redshift import parquet, storage
from aws_orders.local.redshift.errors import BAD_FILE, RedshiftError
from aws_orders.local.redshift.statements import Copy

CHUNK = 256 * 1024
_BATCH = 1000
_BOM = b"\xef\xbb\xbf"
_NULL_MARK = b"\\N"
_SPACED = rb"(?:^|[%(d)s\n]) +%(q)s|%(q)s +(?:[%(d)s\r\n]|$)"
_RAW_LENGTH = 1024  # as long as STL_LOAD_ERRORS keeps of a line

csv.field_size_limit(2**31 - 1)


# --- Files as they are --------------------------------------------------------------------------


def file_pieces(copy: Copy) -> Iterator[bytes]:
    """Yield the files' rows as one stream of CSV.

    Raises:
        RedshiftError: with BAD_FILE, where PostgreSQL would read them otherwise than Redshift.
    """
    for url, content in _contents(copy):
        if copy.parquet:
            yield from parquet.csv_pieces(url, content, copy.delimiter)
        else:
            yield from _rows_as_they_are(copy, content)


def _rows_as_they_are(copy: Copy, content: storage.Content) -> Iterator[bytes]:
    quote, quotes, last = copy.quote.encode(), 0, b"\n"
    spaced = re.compile(
        _SPACED % {b"q": re.escape(quote), b"d": re.escape(copy.delimiter.encode())}
    )
    for chunk in _without_header(_chunks(content), copy.ignore_header):
        seen = last + chunk  # what is looked for may begin in the chunk before
        if copy.null_as and _NULL_MARK in seen:
            raise RedshiftError(r"a field may be \N, which is NULL", BAD_FILE)
        if found := chunk.count(quote):
            quotes += found
            if (b" " + quote in seen or quote + b" " in seen) and spaced.search(seen):
                raise RedshiftError("there may be white space around quotes", BAD_FILE)
        last = chunk[-1:]
        yield chunk
    if quotes % 2:
        raise RedshiftError("the file ends inside quotes", BAD_FILE)
    if last != b"\n":
        yield b"\n"


def _chunks(content: storage.Content) -> Iterator[bytes]:
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


def _contents(copy: Copy) -> Generator[tuple[str, storage.Content]]:
    """Yield the URL and the opened, uncompressed content of each file to load."""
    found = False
    for url, mandatory in _files(copy):
        if not mandatory and not storage.exists(url, copy.region):
            continue
        missing = f"Problem reading mandatory file {url}: The specified key does not exist."
        with storage.opened(url, copy.region, missing, gzipped=copy.gzip) as content:
            found = True
            yield url, content
    if not found:
        raise RedshiftError(f"Manifest file {copy.source} lists no file that exists")


def _files(copy: Copy) -> Iterator[tuple[str, bool]]:
    """Yield the URL of each file, and whether it must exist."""
    if not copy.manifest:
        url = ""
        for url in storage.keys(copy.source, copy.region):
            yield url, True
        if not url:
            _, prefix = storage.split_url(copy.source)
            raise RedshiftError(f"The specified S3 prefix '{prefix}' does not exist")
        return
    missing = f"Problem reading manifest file {copy.source}: it does not exist"
    with storage.opened(copy.source, copy.region, missing) as content:
        text = content.read(-1)
    try:
        entries = [(e["url"] + "", e.get("mandatory", False)) for e in json.loads(text)["entries"]]
    except (ValueError, KeyError, TypeError, AttributeError) as failure:
        raise RedshiftError(
            f"Problem reading manifest file {copy.source}: invalid format"
        ) from failure
    yield from entries


# --- Rows, one by one ---------------------------------------------------------------------------


@dataclass(slots=True)
class _Row:
    """A row as it was found, and what is wrong with it as a whole or, so far, with a field."""

    file: str
    line: int
    raw: str
    fields: Sequence[str | None]
    fault: int | None = None
    """Which field, counted from 1; 0 for the row."""
    code: int | None = None
    reason: str | None = None


class _FieldError(Exception):
    """A field that no column could hold: a load error's code and words."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


Column = dict[str, Any]
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def row_pieces(copy: Copy, columns: Sequence[Column]) -> Iterator[bytes]:
    """Yield the rows in PostgreSQL's text format, each with where it was found and its fault."""
    found = _items(copy, columns) if copy.source.startswith("dynamodb://") else _csv_rows(copy)
    cleaners = [_cleaner(copy, column) for column in columns]
    numbered = enumerate(found)
    while batch := list(islice(numbered, _BATCH)):
        yield "".join(_line(number, _cleaned(row, cleaners)) for number, row in batch).encode()


def _line(number: int, row: _Row) -> str:
    place = (
        str(number),
        row.file,
        str(row.line),
        row.raw.encode()[:_RAW_LENGTH].decode("utf-8", "ignore"),
    )
    fault = (
        None if row.fault is None else str(row.fault),
        None if row.code is None else str(row.code),
        row.reason,
    )
    return (
        "\t".join(
            "\\N" if f is None else f.translate(_ESCAPES) for f in (*place, *fault, *row.fields)
        )
        + "\n"
    )


def _csv_rows(copy: Copy) -> Iterator[_Row]:
    for url, content in _contents(copy):
        lines = _Lines(islice(content.lines(), copy.ignore_header, None), copy)
        reader = csv.reader(lines, delimiter=copy.delimiter, quotechar=copy.quote, strict=True)
        while True:
            line = lines.count + copy.ignore_header + 1
            try:
                fields: list[str] = next(reader) or [""]
            except StopIteration:
                break
            except csv.Error:
                yield _Row(
                    url, line, lines.taken(), [], 0, 1216, "Invalid quote formatting for CSV"
                )
            else:
                yield _Row(url, line, lines.taken(), fields)


class _Lines:
    """Lines for the CSV reader, which remember how many they were and which came last.

    Blanks between a delimiter and a quote are ignored, and the reader would not do that:
    https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-format.html
    """

    def __init__(self, lines: Iterator[str], copy: Copy) -> None:
        self._lines = lines
        self._taken: list[str] = []
        self._quote = quote = copy.quote
        self._quoted = False
        q, d = re.escape(quote), re.escape(copy.delimiter)
        quoted = rf"(?P<keep>{q}(?:[^{q}]|{q}{q})*(?:{q}|$))"
        self._blanks = re.compile(rf"{quoted}(?: +(?={d}|[\r\n]*$))?|(?:^|(?<={d})) +(?={q})")
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.count += 1
        self._taken.append(line)
        return self._trimmed(line) if self._quoted or self._quote in line else line

    def _trimmed(self, line: str) -> str:
        opening = self._quote * self._quoted  # of a field that began on an earlier line
        self._quoted ^= line.count(self._quote) % 2 == 1
        if " " not in line:
            return line
        return self._blanks.sub(lambda m: m["keep"] or "", opening + line)[len(opening) :]

    def taken(self) -> str:
        """Return the lines of the row that was read last."""
        text = "".join(self._taken).rstrip("\r\n")
        self._taken.clear()
        return text


def _items(copy: Copy, columns: Sequence[Column]) -> Iterator[_Row]:
    """Yield DynamoDB's items; attributes go to columns by name, whatever its case."""
    names = [column["name"].lower() for column in columns]
    table, line = copy.source.removeprefix("dynamodb://"), 0
    for page in storage.scan(table, copy.region):
        for item in page:
            line += 1
            attributes = {name.lower(): value for name, value in item.items()}
            row = _Row(copy.source, line, "", [])
            fields: list[str | None] = []
            for number, name in enumerate(names, 1):
                [(kind, text)] = attributes.get(name, _MISSING).items()
                if kind not in ("S", "N") and row.fault is None:
                    row.fault, row.code, text = number, 1200, str(text)
                    row.reason = (
                        f"Unsupported DynamoDB data type {kind}: only S and N can be loaded"
                    )
                fields.append(text if isinstance(text, str) else str(text))
            row.fields = fields
            if row.fault is not None:
                row.raw = json.dumps(item, default=str)
            yield row


_MISSING = {"S": ""}


def _cleaned(row: _Row, cleaners: Sequence[Callable[[str], str | None]]) -> _Row:
    """Return the row with each field as its column takes it, or with the first fault found."""
    if row.fault is None and len(row.fields) != len(cleaners):
        few = len(row.fields) < len(cleaners)
        row.fault, row.code = 0, 1214 if few else 1202
        row.reason = "Delimiter not found" if few else "Extra column(s) found"
    if row.fault == 0:
        row.fields = [None] * len(cleaners)
    fields: list[str | None] = []
    for number, (field, clean) in enumerate(zip(row.fields, cleaners, strict=True), 1):
        try:
            fields.append(field if field is None else clean(field))
        except _FieldError as wrong:
            fields.append(_printable(field or ""))
            if row.fault is None:
                row.fault, row.code, row.reason = number, wrong.code, wrong.reason
    row.fields, row.raw = fields, _printable(row.raw)
    return row


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def _cleaner(copy: Copy, column: Column) -> Callable[[str], str | None]:
    """Return what makes of a field what PostgreSQL is to read into the column."""
    is_text, length, scale = column["text"], column["length"], column["scale"]
    empty = "" if is_text and not copy.empty_as_null else None
    cut = length if copy.truncate_columns else None
    keep_digits = None if copy.round_decimals else scale

    def clean(field: str) -> str | None:
        if not field:
            return empty
        if field == copy.null_as:
            return None
        if not field.isascii() or "\0" in field:
            field = _valid(field, copy.replacement)
        if is_text:
            if copy.blanks_as_null and not field.strip():
                return None
            if cut is not None and len(field) * 4 > cut:
                return field.encode()[:cut].decode(errors="ignore")
        elif not field.strip():
            return None
        elif keep_digits is not None:
            return _truncated(field, keep_digits)
        return field

    return clean


def _valid(field: str, replacement: str) -> str:
    """Return the field without bytes that are no text, each of which is replaced if anything may.

    https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-conversion.html
    """
    wrong = [c for c in field if "\udc80" <= c <= "\udcff" or c == "\0"]
    if not wrong:
        return field
    if not replacement:
        codes = " ".join(f"{ord(c) & 0xFF:02x}" for c in wrong[:4])
        raise _FieldError(1220, f"Invalid UTF8 hex sequence: {codes} (error 4)")
    return field.translate(dict.fromkeys(map(ord, wrong), replacement))


def _truncated(number: str, scale: int) -> str:
    try:
        return str(Decimal(number).quantize(Decimal(1).scaleb(-scale), ROUND_DOWN))
    except InvalidOperation:
        return number  # for PostgreSQL to refuse
