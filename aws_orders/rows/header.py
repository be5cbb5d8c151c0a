"""Checks headers of CSV files against the contract. Pure functions on bytes.

Names are compared without case or surrounding blanks, as Redshift compares column names. See
`records` for parsing; `products.products_file` and Redshift read the rows.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from aws_orders.contract import Table
from aws_orders.errors import DataError
from aws_orders.rows.masking import masked
from aws_orders.rows.records import BOM, Malformed, scan, split_fields

# A longer first line is not a header: the file has no line ends.
MAX_HEADER_BYTES = 64 * 1024
# https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_usage.html
MAX_COLUMNS = 1600


def split_header(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return a file's first line and an iterator of the rest.

    A first line longer than `MAX_HEADER_BYTES` is cut; `parse_header` rejects it.
    """
    pieces, head = iter(chunks), b""
    while b"\n" not in head and len(head) <= MAX_HEADER_BYTES and (piece := next(pieces, None)):
        head += piece
    line, _, rest = head.partition(b"\n")
    return line, chain([rest], pieces)


def parse_header(first_line: bytes, where: str) -> tuple[str, ...]:
    """Return the column names in a file's first line, in lower case and stripped, in order.

    Raises:
        DataError: the line is empty, too long, not UTF-8, or has more columns than a table.
    """
    if len(first_line) > MAX_HEADER_BYTES:
        raise _unreadable(where, f"a first line of more than {MAX_HEADER_BYTES} bytes")
    line = first_line.removeprefix(BOM).removesuffix(b"\n").removesuffix(b"\r")
    try:
        line.decode()
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise _unreadable(where, f"byte 0x{byte:02x} at position {error.start}") from error
    names = tuple(name.strip().lower() for name in _fields(line, where))
    if not any(names):
        raise DataError(
            "The first line has no column names.",
            where=where,
            expected="a header line and at least one row",
            found="no header: an empty file, or an empty first line",
            fix="Have the sender deliver the whole file.",
        )
    if len(names) > MAX_COLUMNS:
        raise _unreadable(where, f"{len(names)} columns; Redshift supports {MAX_COLUMNS}")
    return names


def _fields(line: bytes, where: str) -> list[str]:
    for piece in scan([line]):
        if isinstance(piece, Malformed):
            raise _unreadable(where, f"{piece.reason}, in column {piece.column}")
        for _, record in piece:
            return [name.decode() for name in split_fields(record)]
    return []


def _unreadable(where: str, found: str) -> DataError:
    return DataError(
        "The header cannot be read.",
        where=f"{where}, line 1",
        expected="column names separated by commas, in UTF-8",
        found=found,
        fix="Correct the first line. Deliver the file again as CSV in UTF-8 (iconv -t UTF-8 "
        "converts it).",
    )


def check_header(header: tuple[str, ...], table: Table, where: str) -> None:
    """Check that `header` has the columns of `table`, in any order.

    Unknown columns are not loaded, so their names may be empty or repeated.

    Raises:
        DataError: a column of the table is missing or repeated.
    """
    missing = [name for name in table.expected if name not in header]
    if missing:
        raise DataError(
            f"The header lacks {', '.join(missing)}.",
            where=f"{where}, line 1",
            expected=", ".join(table.expected) + " (in any order)",
            # The first line of a file without a header is an order.
            found=", ".join(masked("", name) for name in header),
            fix="Correct the header, or have the sender add the column. Then deliver the file "
            "again.",
        )
    if repeated := [name for name in table.names if header.count(name) > 1]:
        name = repeated[0]
        places = [str(place) for place, found in enumerate(header, start=1) if found == name]
        raise DataError(
            f"The header has {', '.join(repeated)} more than once.",
            where=f"{where}, line 1",
            expected="each of the contract's columns once",
            found=f"{name} as columns {' and '.join(places)}",
            fix="Have the sender remove or rename the extra column, and deliver the file again.",
        )


def no_rows_error(where: str) -> DataError:
    """Return the error for a file that has only a header."""
    return DataError(
        "The file has a header but no rows.",
        where=where,
        expected="at least one row",
        found="none",
        fix="Have the sender deliver the whole file.",
    )
