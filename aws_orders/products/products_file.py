"""Reads a products file in chunks and checks it against the contract. Pure.

`rows.records` parses the rows and pandas checks the columns: pandas' own reader pads short rows
silently and does not know the line of a record. A schema library would need more code for four
columns of two types, and takes longer to import.
"""

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from aws_orders.contract import Column, Table
from aws_orders.errors import DataError
from aws_orders.rows.header import check_header, no_rows_error, parse_header, split_header
from aws_orders.rows.records import VALID_RECORD, Malformed, scan, split_fields

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 20_000
FAULTS_SHOWN = 10
FOUND_BYTES = 100
# The range of Redshift's BIGINT; DynamoDB's N holds up to 38 digits.
# https://docs.aws.amazon.com/redshift/latest/dg/r_Numeric_types201.html
BIGINT_MIN, BIGINT_MAX = -(2**63), 2**63 - 1
BLANKS = " \t\n\v\f\r"
WHOLE_NUMBER = re.compile(rf"[{BLANKS}]*[+-]?0{{0,100}}[0-9]{{1,19}}[{BLANKS}]*")


def read_products(chunks: Iterable[bytes], table: Table, where: str) -> "Iterator[pd.DataFrame]":
    """Yield a file's rows in frames of at most `CHUNK_ROWS`, checked against `table`.

    Each frame has the table's columns in the contract's order, as text, with ids in plain
    digits. Its index is each record's first physical line (the header is line 1). Columns that
    the contract does not have are left out. Ids are unique in the whole file; keeping them takes
    about 100 bytes per product.

    Args:
        chunks: The file's bytes, in pieces of any size.
        table: The contract of the file.
        where: The file's name in messages.

    Raises:
        DataError: the file is empty, is not UTF-8 or does not match the contract; the message
            names line, column and value of the chunk's first `FAULTS_SHOWN` faults.
    """
    import pandas as pd

    first_line, rest = split_header(chunks)
    header = parse_header(first_line, where)
    check_header(header, table, where)
    line_of_id: dict[str, int] = {}
    records = _records(rest, header, where)
    while batch := list(itertools.islice(records, CHUNK_ROWS)):
        chunk = pd.DataFrame(
            (fields for _, fields in batch), columns=list(header), index=[line for line, _ in batch]
        )[list(table.names)].astype("str")
        _check_columns(chunk, table, where)
        chunk[table.key] = chunk[table.key].map(lambda text: str(int(text)))
        _check_unique(chunk[table.key], line_of_id, where)
        yield chunk
    if not line_of_id:
        raise no_rows_error(where)


def row_digest(row: Mapping[str, str]) -> bytes:
    """Return a 16-byte digest of a row, independent of the order of its columns."""
    flat = "\x1f".join(f"{name}\x1e{row[name]}" for name in sorted(row))
    return hashlib.blake2b(flat.encode(), digest_size=16).digest()


def _records(
    chunks: Iterable[bytes], header: tuple[str, ...], where: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, fields) of each record; blank lines are skipped."""
    for piece in scan(chunks, line=2):
        if isinstance(piece, Malformed):
            raise _malformed(piece, header, where)
        for line, record in piece:
            if not record:
                continue
            fields = [_decoded(field, where, line) for field in split_fields(record)]
            if len(fields) != len(header):
                raise DataError(
                    "A row has a different number of fields than the header.",
                    where=f"{where}, line {line}",
                    expected=f"{len(header)} fields: {', '.join(header)}",
                    found=f"{len(fields)} fields: {fields!r}",
                    fix="Correct the row (look for an unquoted comma) and deliver the file again.",
                )
            yield line, fields


def _malformed(record: Malformed, header: tuple[str, ...], where: str) -> DataError:
    column = header[record.column - 1] if record.column <= len(header) else record.column
    shown = record.data[:FOUND_BYTES].decode("utf-8", "backslashreplace").rstrip("\r\n")
    return DataError(
        "A row is not valid CSV.",
        where=f"{where}, line {record.line}, column {column}",
        expected=VALID_RECORD,
        found=f"{record.reason}: {shown!r}",
        fix="Correct the quotes in that row and deliver the file again.",
    )


def _decoded(field: bytes, where: str, line: int) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            "The file is not UTF-8.",
            where=f"{where}, line {line}",
            expected="CSV in UTF-8",
            found=repr(field[max(0, error.start - 20) : error.end + 20]),
            fix="Convert the file to UTF-8 (iconv -t UTF-8) and deliver it again.",
        ) from error


def _check_columns(chunk: "pd.DataFrame", table: Table, where: str) -> None:
    faults = [
        (int(str(line)), column.name, value, reason)
        for column in table.columns
        for reason, mask in _faults(chunk[column.name], column)
        for line, value in chunk.loc[mask, column.name].items()
    ]
    if not faults:
        return
    faults.sort()
    shown = [
        f"line {line}, column {name}: {value!r} {reason}"
        for line, name, value, reason in faults[:FAULTS_SHOWN]
    ]
    more = f"; and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
    raise DataError(
        "Values do not match the contract.",
        where=where,
        expected=", ".join(f"{column.name} {column.type.ddl}" for column in table.columns),
        found="; ".join(shown) + more,
        fix="Correct these values at the source and deliver the file again.",
    )


def _faults(values: "pd.Series[str]", column: Column) -> "Iterator[tuple[str, pd.Series[bool]]]":
    """Yield (reason, mask of the faulty rows) for each rule of `column`."""
    # ASCII blanks only: COPY rejects a no-break space in a number column, so it is not empty.
    empty = values.str.strip(BLANKS) == ""
    if column.required:
        yield "is empty", empty
    if column.type.max_bytes is not None:
        limit = column.type.max_bytes
        yield f"has more than {limit} bytes", values.map(lambda text: len(text.encode())) > limit
        yield "contains a NUL character", values.str.contains("\0", regex=False)
    else:
        yield (
            f"is not a whole number from {BIGINT_MIN} to {BIGINT_MAX}",
            ~(empty | values.map(_is_bigint).astype(bool)),
        )


def _is_bigint(text: str) -> bool:
    return bool(WHOLE_NUMBER.fullmatch(text)) and BIGINT_MIN <= int(text) <= BIGINT_MAX


def _check_unique(ids: "pd.Series[str]", line_of_id: dict[str, int], where: str) -> None:
    for line, identifier in ids.items():
        first = line_of_id.setdefault(identifier, int(str(line)))
        if first != line:
            raise DataError(
                "A product id is repeated.",
                where=f"{where}, line {line}, column {ids.name}",
                expected="unique ids",
                found=f"{identifier}, already on line {first}",
                fix="Remove one of the two rows at the source and deliver the file again.",
            )
