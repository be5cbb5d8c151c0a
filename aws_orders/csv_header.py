"""Headers of CSV files, and the records at some of its lines: pure functions on bytes.

Header names are compared without case or surrounding blanks, as Redshift compares column names.
Rows are not parsed here: products' are `product_file`'s, orders' are Redshift's.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aws_orders.contract import Table
from aws_orders.errors import DataError
from aws_orders.masking import masked

# A first line longer than this is no header but a file without line ends.
MAX_HEADER_BYTES = 64 * 1024
# https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_usage.html
MAX_COLUMNS = 1600
# As much as is kept of a record's text: an unclosed quote makes one of all that follows.
MAX_TEXT = 128 * 1024


def parse_header(first_line: bytes, where: str) -> tuple[str, ...]:
    """Return the column names in a file's first line, lower-cased and stripped, in their order.

    Raises:
        DataError: the line is empty, too long, not UTF-8, or has more columns than a table.
    """
    if len(first_line) > MAX_HEADER_BYTES:
        raise _unreadable(where, f"a first line of more than {MAX_HEADER_BYTES} bytes")
    try:
        line = first_line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = first_line[error.start]
        raise _unreadable(where, f"byte 0x{byte:02x} at position {error.start}") from error
    try:
        names = tuple(name.strip().lower() for name in next(csv.reader([line]), []))
    except csv.Error as error:  # a lone CR, for one: line ends of long ago
        raise _unreadable(where, str(error)) from error
    if not any(names):
        raise DataError(
            "The file is empty.",
            where=where,
            expected="a header line and at least one row",
            found="no header",
            fix="Have the sender deliver the whole file.",
        )
    if len(names) > MAX_COLUMNS:
        raise _unreadable(where, f"{len(names)} columns, where Redshift takes {MAX_COLUMNS}")
    return names


def _unreadable(where: str, found: str) -> DataError:
    return DataError(
        "The header cannot be read.",
        where=f"{where}, line 1",
        expected="column names, separated by commas, in UTF-8",
        found=found,
        fix="Deliver the file again as CSV in UTF-8 (iconv -t UTF-8 converts it).",
    )


def check_header(header: tuple[str, ...], table: Table, where: str) -> tuple[str, ...]:
    """Check that `header` has the columns of `table`, in any order; return the unknown ones.

    Unknown columns may have any name, none, or the same name: nothing is read from them.

    Raises:
        DataError: a column of the table is missing, or is there twice.
    """
    missing = [name for name in table.expected if name not in header]
    if missing:
        raise DataError(
            f"The header lacks {', '.join(missing)}.",
            where=f"{where}, line 1",
            expected=", ".join(table.expected) + " (in any order)",
            # A file without a header has an order there.
            found=", ".join(masked("", name) for name in header),
            fix="Correct the header, or have the sender add the column, and deliver again.",
        )
    if repeated := [name for name in table.names if header.count(name) > 1]:
        name = repeated[0]
        places = [str(place) for place, found in enumerate(header, start=1) if found == name]
        raise DataError(
            f"The header has {', '.join(repeated)} more than once.",
            where=f"{where}, line 1",
            expected="each of the contract's columns once",
            found=f"{name} as columns {' and '.join(places)}",
            fix="Have the sender remove or rename the surplus column, and deliver again.",
        )
    return tuple(name for name in header if name not in table.names)


@dataclass(frozen=True)
class Record:
    """A row of a CSV file: its fields, and its text as it stands there, line end left out.

    Bytes that are not UTF-8 are backslash escapes in both.
    """

    fields: tuple[str, ...]
    text: str


def records_at_lines(lines: Iterable[bytes], wanted: Sequence[int]) -> Iterator[Record]:
    """Yield the record that each wanted line belongs to; an empty one where there is none.

    What is no CSV at all has a text, but no fields.

    Args:
        lines: A file's lines, read no further than is needed.
        wanted: Numbers of lines in rising order; 1 is the first of `lines`.
    """
    read: list[str] = []

    def remembered() -> Iterator[str]:
        for line in lines:
            read.append(line.decode("utf-8", "backslashreplace"))
            yield read[-1]

    source = remembered()
    reader, passed = csv.reader(source), 0
    record = Record((), "")
    for line in wanted:
        while passed + reader.line_num < line:
            read.clear()
            fields: list[str] | None
            try:
                fields = next(reader, None)
            except csv.Error:  # a CR in a field, or an open quote: its text is all that is known
                fields, passed = [], passed + reader.line_num
                reader = csv.reader(source)
            record = Record(tuple(fields or ()), "".join(read).rstrip("\r\n")[:MAX_TEXT])
            if fields is None:
                break
        yield record
