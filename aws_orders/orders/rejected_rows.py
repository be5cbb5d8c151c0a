"""Reports rows that COPY rejected: in an error, or in the quarantine on S3.

Redshift's load-error view has file, line, column and reason; the value is read from the file. See
`staging` for the COPY and for the choice between the two, and `commit` for the table of rejected
rows.
"""

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import IO, TYPE_CHECKING, cast

from aws_orders.contract import ORDERS
from aws_orders.errors import DataError
from aws_orders.orders.delivery_columns import file_columns, stage_columns
from aws_orders.orders.delivery_files import read_records
from aws_orders.resources.redshift.errors import RejectedRow
from aws_orders.resources.redshift.session import REJECTED_SHOWN
from aws_orders.resources.s3 import delete_objects, list_objects, upload
from aws_orders.resources.settings import QUARANTINE_PREFIX, Settings
from aws_orders.rows.lookup import MAX_TEXT
from aws_orders.rows.masking import masked

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CORRECT_FILE = "Correct the file and deliver it again under the same key, or delete it."
CORRECT_ROWS = (
    f"{CORRECT_FILE} To load the good rows and quarantine the others, run redshift_orders with "
    "on_bad_rows: quarantine."
)
COLUMNS = ("delivery", "line", "column", "value", "reason", "row")


def rejection_error(
    rejected: Sequence[RejectedRow], s3: "S3Client", what: str = "Rows cannot be loaded"
) -> DataError:
    """Return the error that names the first rejected rows, with their values.

    Args:
        rejected: What COPY reported, by file and line.
        s3: The client that reads the files.
        what: The fault, as a sentence without its full stop.
    """
    found = [
        f"{row.file}, line {row.line}, column {row.column}: {_shown(row, value)} ({row.reason})"
        for row, value, _ in _looked_up(rejected[:REJECTED_SHOWN], s3)
    ]
    first = rejected[0] if rejected else None
    return DataError(
        f"{what}. The orders table is unchanged.",
        where=f"{first.file}, line {first.line}" if first else "sys_load_error_detail",
        expected=", ".join(f"{column.name} {column.type.ddl}" for column in ORDERS.columns),
        found="\n            ".join(found) or "no details",
        fix=CORRECT_ROWS,
    )


def _shown(row: RejectedRow, value: str | None) -> str:
    column = ORDERS.column(row.column)
    if column is None:
        return "?"
    if column.personal:
        return "(personal data)"
    # A shifted row has an e-mail address in another column.
    return "nothing" if value is None else repr(masked(row.column, value))


def write_quarantine(
    load_id: int, rejected: Sequence[RejectedRow], s3: "S3Client", settings: Settings
) -> None:
    """Write a load's rejected rows to a CSV file in the quarantine.

    The file has each row as it was delivered, its place, and the reason.

    Raises:
        DataError: a row exceeds MAX_TEXT, usually because of an unclosed quote.
    """
    with (
        tempfile.TemporaryFile() as spool,
        io.TextIOWrapper(cast("IO[bytes]", spool), "utf-8", newline="") as text,
    ):
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row, value, raw in _looked_up(rejected, s3):
            if len(raw) == MAX_TEXT:
                raise rejection_error(
                    [row],
                    s3,
                    "A row is too long to quarantine; look for a quote that is not closed",
                )
            place = (settings.key_of(row.file), row.line, row.column)
            writer.writerow((*place, value, row.reason, raw))
        text.flush()
        spool.seek(0)
        upload(s3, spool, settings.bucket, settings.quarantine_key(load_id))


def delete_quarantines(
    newest: int, kept: Iterable[int], s3: "S3Client", settings: Settings
) -> None:
    """Delete the quarantine files of all loads up to `newest`, except those of `kept` loads.

    Files of later loads stay: another run may be about to commit one.
    """
    keep, prefix = set(map(settings.quarantine_key, kept)), settings.key(QUARANTINE_PREFIX)
    files = [stored.key for stored in list_objects(s3, settings.bucket, prefix)]
    outdated = [
        key
        for key in files
        if key not in keep and int(key.removeprefix(prefix).partition(".")[0]) <= newest
    ]
    delete_objects(s3, settings.bucket, outdated)


def _looked_up(
    rejected: Sequence[RejectedRow], s3: "S3Client"
) -> Iterator[tuple[RejectedRow, str | None, str]]:
    """Yield each row with its value at fault (None if the row has none) and its whole text.

    The row's column gets the name that it has in the file.
    """
    for uri, rows in groupby(rejected, key=lambda row: row.file):
        members = list(rows)
        records = read_records(s3, uri, [row.line for row in members])
        for row, (header, record) in zip(members, records, strict=True):
            staged, named, value = stage_columns(header, ORDERS), row, None
            if row.column in staged:
                position = staged.index(row.column)
                named = replace(row, column=file_columns(header)[position])
                value = record.fields[position] if position < len(record.fields) else None
            yield named, value, record.text
