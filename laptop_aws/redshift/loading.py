"""What COPY loads: files and DynamoDB items, as bytes that PostgreSQL's own COPY reads.

A file that PostgreSQL reads as Redshift does is passed on unchanged, any other row by row.
`csv_reader` splits a file into records and `values` converts their fields;
system/rejected_rows.sql finds rows that do not fit the table.
"""

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from laptop_aws.redshift import parquet, storage
from laptop_aws.redshift.csv_reader import (
    Grammar,
    Malformed,
    ReadDifferentlyError,
    records,
    same_for_postgres,
)
from laptop_aws.redshift.errors import BAD_FILE, RedshiftError
from laptop_aws.redshift.plan import Column, Copy
from laptop_aws.redshift.values import Clean, FieldError, PostgresOnly, cleaner

CHUNK = 256 * 1024
_BATCH = 1000
_BOM = b"\xef\xbb\xbf"
_NULL_MARK = b"\\N"
_RAW_LENGTH = 1024  # the part of a line that STL_LOAD_ERRORS keeps


# --- Unchanged files ----------------------------------------------------------------------------


def file_pieces(copy: Copy, columns: Sequence[Column]) -> Iterator[bytes]:
    """Yield the files' rows as one stream of CSV.

    Raises:
        RedshiftError: with BAD_FILE, if PostgreSQL would read a file differently from Redshift.
    """
    postgres_only = PostgresOnly(columns, copy.delimiter, copy.quote)
    for url, content in _contents(copy):
        if copy.parquet:
            yield from parquet.csv_pieces(url, content, copy.delimiter)
        else:
            yield from _unchanged_rows(copy, content, postgres_only)


def _unchanged_rows(
    copy: Copy, content: storage.Content, postgres_only: PostgresOnly
) -> Iterator[bytes]:
    chunks = _without_header(_chunks(content), copy.ignore_header)
    try:
        for rows in same_for_postgres(chunks, Grammar(copy.delimiter, copy.quote)):
            if copy.null_as and _NULL_MARK in rows:
                raise ReadDifferentlyError(r"a field may be \N, which is NULL")
            if postgres_only.found_in(rows):
                raise ReadDifferentlyError("a field may have a value that only PostgreSQL accepts")
            yield rows
    except ReadDifferentlyError as reason:
        raise RedshiftError(str(reason), BAD_FILE) from reason


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
    """A row, its position, and the first fault found in it."""

    file: str
    line: int
    raw: str
    fields: Sequence[str | None]
    fault: int | None = None
    """The number of the faulty field, from 1; 0 means the whole row."""
    code: int | None = None
    reason: str | None = None
    position: int = 0
    """The position of the fault in the field."""


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def row_pieces(copy: Copy, columns: Sequence[Column]) -> Iterator[bytes]:
    """Yield the rows in PostgreSQL's text format, each with its position and its fault."""
    from_table = copy.source.startswith("dynamodb://")
    found = _items(copy, columns) if from_table else _csv_rows(copy, len(columns))
    cleaners = [cleaner(copy, column) for column in columns]
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
        str(row.position),
    )
    return (
        "\t".join(
            "\\N" if f is None else f.translate(_ESCAPES) for f in (*place, *fault, *row.fields)
        )
        + "\n"
    )


def _csv_rows(copy: Copy, columns: int) -> Iterator[_Row]:
    grammar = Grammar(copy.delimiter, copy.quote)
    for url, content in _contents(copy):
        chunks = _without_header(_chunks(content), copy.ignore_header)
        for found in records(chunks, grammar, copy.ignore_header + 1):
            if isinstance(found, Malformed):
                yield _malformed(url, found, columns)
            else:
                yield _Row(url, found.line, found.raw, found.fields)


def _malformed(url: str, found: Malformed, columns: int) -> _Row:
    fields: list[str | None] = [None] * columns
    row = _Row(url, found.line, found.raw, fields, 0, found.code, found.reason)
    if found.field <= columns:
        fields[found.field - 1] = found.value
        row.fault, row.position = found.field, found.position
    return row


def _items(copy: Copy, columns: Sequence[Column]) -> Iterator[_Row]:
    """Yield the table's items; attributes match columns by name, ignoring case."""
    names = [column.name.lower() for column in columns]
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


def _cleaned(row: _Row, cleaners: Sequence[Clean]) -> _Row:
    """Return the row with converted fields, or with the first fault found."""
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
        except FieldError as error:
            fields.append(_printable(field or ""))
            if row.fault is None:
                row.fault, row.position = number, error.position
                row.code, row.reason = error.code, error.reason
    row.fields, row.raw = fields, _printable(row.raw)
    return row


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
