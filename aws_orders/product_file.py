"""Reading a products file against the contract: pure, in chunks, every fault with its place.

The csv module splits the lines, pandas checks the columns: pandas' own reader pads short rows
without a word and does not know a record's line. No schema library: four columns of two types
are less code than their description in one, and none starts as fast.
"""

import csv
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from aws_orders.contract import Column, Table
from aws_orders.csv_header import check_header, parse_header
from aws_orders.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 20_000
FAULTS_SHOWN = 10
# What DynamoDB's N and Redshift's BIGINT both hold.
BIGINT_DIGITS = 18


def read_products(lines: Iterable[bytes], table: Table, where: str) -> "Iterator[pd.DataFrame]":
    """Yield a file's rows in frames of at most `CHUNK_ROWS`, checked against `table`.

    Each frame has the table's columns in the contract's order, as text, ids in plain digits;
    its index is each record's first physical line (the header is line 1). Columns that the
    contract does not know are left out. Ids are unique over the whole file; keeping them is
    what the memory grows with (about 100 bytes a product).

    Args:
        lines: The file's lines as bytes, ends included, as iterating over a binary file gives.
        table: The contract of the file.
        where: The file's name for messages.

    Raises:
        DataError: the file is empty, not UTF-8, or not as the contract says; the message names
            line, column and value of the first `FAULTS_SHOWN` faults of the chunk.
    """
    import pandas as pd

    numbered = iter(lines)
    header = parse_header(next(numbered, b""), where)
    check_header(header, table, where)
    line_of_id: dict[str, int] = {}
    records = _records(numbered, header, where)
    while batch := list(itertools.islice(records, CHUNK_ROWS)):
        chunk = pd.DataFrame(
            (fields for _, fields in batch), columns=list(header), index=[line for line, _ in batch]
        )[list(table.names)].astype("str")
        _check_columns(chunk, table, where)
        chunk[table.key] = chunk[table.key].map(lambda text: str(int(text)))
        _check_unique(chunk[table.key], line_of_id, where)
        yield chunk
    if not line_of_id:
        raise DataError(
            "The file has a header but no rows.",
            where=where,
            expected="at least one row",
            found="none",
            fix="Have the sender deliver the whole file.",
        )


def row_digest(row: Mapping[str, str]) -> bytes:
    """Return 16 bytes that tell two rows apart, whatever the order of their columns."""
    flat = "\x1f".join(f"{name}\x1e{row[name]}" for name in sorted(row))
    return hashlib.blake2b(flat.encode(), digest_size=16).digest()


def _records(
    lines: Iterator[bytes], header: tuple[str, ...], where: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, fields) of each record; blank lines are none."""
    reader = csv.reader(_decoded(lines, where), strict=True)
    start = 2
    try:
        for fields in reader:
            if fields and len(fields) != len(header):
                raise DataError(
                    "A row has another number of fields than the header.",
                    where=f"{where}, line {start}",
                    expected=f"{len(header)} fields: {', '.join(header)}",
                    found=f"{len(fields)} fields: {fields!r}",
                    fix="Correct the row (an unquoted comma, perhaps) and deliver the file again.",
                )
            if fields:
                yield start, fields
            start = reader.line_num + 2
    except csv.Error as error:
        raise DataError(
            "A row cannot be read as CSV.",
            where=f"{where}, line {start}",
            expected='fields separated by commas, quoted with "',
            found=str(error),
            fix="Correct the quotes in that row and deliver the file again.",
        ) from error


def _decoded(lines: Iterator[bytes], where: str) -> Iterator[str]:
    for number, line in enumerate(lines, start=2):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise DataError(
                "The file is not UTF-8.",
                where=f"{where}, line {number}",
                expected="CSV in UTF-8",
                found=repr(line[max(0, error.start - 20) : error.end + 20]),
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
        "Values are not as the contract says.",
        where=where,
        expected=", ".join(f"{column.name} {column.type.ddl}" for column in table.columns),
        found="; ".join(shown) + more,
        fix="Correct these values at the source and deliver the file again.",
    )


def _faults(values: "pd.Series[str]", column: Column) -> "Iterator[tuple[str, pd.Series[bool]]]":
    """Yield (reason, mask of the rows at fault) for each rule that `column` has."""
    empty = values.str.strip() == ""
    if column.required:
        yield "is empty", empty
    if column.type.max_bytes is not None:
        limit = column.type.max_bytes
        yield f"takes more than {limit} bytes", values.map(lambda text: len(text.encode())) > limit
        yield "contains a NUL character", values.str.contains("\0", regex=False)
    else:
        number = values.str.fullmatch(rf"\s*[+-]?[0-9]{{1,{BIGINT_DIGITS}}}\s*")
        yield f"is no whole number of at most {BIGINT_DIGITS} digits", ~number & ~empty


def _check_unique(ids: "pd.Series[str]", line_of_id: dict[str, int], where: str) -> None:
    for line, identifier in ids.items():
        first = line_of_id.setdefault(identifier, int(str(line)))
        if first != line:
            raise DataError(
                "A product id comes twice.",
                where=f"{where}, line {line}, column {ids.name}",
                expected="unique ids",
                found=f"{identifier}, already on line {first}",
                fix="Remove one of the two rows at the source and deliver the file again.",
            )
