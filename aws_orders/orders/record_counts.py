"""An independent count of the records in deliveries, taken while COPY loads them.

COPY's own count cannot show a record that it read as part of another one. So the platform reads
each new delivery once as a stream, and its strict reader (`csv_records`) counts. How a delivery
is read is in `delivery_files`; `staging` decides when.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from aws_orders.config import Settings
from aws_orders.errors import DataError
from aws_orders.orders.deliveries import FILES_SHOWN, file_columns
from aws_orders.orders.delivery_files import read_chunks
from aws_orders.orders.rejected_rows import CORRECT_ROWS
from aws_orders.resources.objects import StoredObject
from aws_orders.resources.redshift.session import REJECTED_SHOWN
from aws_orders.rows.records import RecordCounter, count_records

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Reading from S3 overlaps; the counting itself takes one processor.
READERS = 4

Counts = Mapping[str, RecordCounter]


@contextmanager
def counting(
    s3: "S3Client", settings: Settings, members: Sequence[StoredObject]
) -> Iterator[Callable[[], Counts]]:
    """Count the records of deliveries in threads; give a function that waits for the counts.

    They are by key. Leaving the context ends what is still being read.

    The function raises:
        DataError: a delivery is not gzip, though its name says so.
        PlanOutdatedError: a delivery is no longer the version that was listed.
    """
    stopped = threading.Event()

    def count(stored: StoredObject) -> RecordCounter:
        return count_records(
            _until(stopped, read_chunks(s3, settings.uri(stored.key), stored.etag))
        )

    pool = ThreadPoolExecutor(READERS)
    try:
        counts = [(stored.key, pool.submit(count, stored)) for stored in members]
        yield lambda: {key: counted.result() for key, counted in counts}
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)


def _until(stopped: threading.Event, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if stopped.is_set():
            raise CancelledError
        yield chunk


def check_well_formed(counts: Counts, header: Sequence[str], settings: Settings) -> None:
    """Check that no delivery has a record that is not CSV.

    Redshift rejects these records itself (error 1214); this does not depend on it.

    Raises:
        DataError: with the place and the reason of the first ones.
    """
    columns = file_columns(header)
    places = [
        (f"{settings.uri(key)}, line {fault.line}", columns[fault.column - 1 :][:1], fault.reason)
        for key, count in counts.items()
        for fault in count.faults
    ]
    if not places:
        return
    found = [
        f"{place}, column {''.join(column) or '?'}: {reason}"
        for place, column, reason in places[:REJECTED_SHOWN]
    ]
    malformed = sum(count.malformed for count in counts.values())
    raise DataError(
        f"Rows that are not CSV: {malformed}; the orders table is as it was.",
        where=places[0][0],
        expected='fields separated by commas; a field with a quote in it is quoted: "27"" wide"',
        found="\n            ".join(found),
        fix=CORRECT_ROWS,
    )


def check_loaded(counts: Counts, rows: int, rejected: int, settings: Settings) -> None:
    """Check that COPY loaded or rejected as many rows as the deliveries have records.

    Args:
        counts: What was counted, by key.
        rows: Rows that COPY loaded.
        rejected: Rows that COPY rejected.
        settings: The bucket.

    Raises:
        DataError: it did not; with the deliveries and both numbers.
    """
    records = sum(count.records for count in counts.values())
    if records == rows + rejected:
        return
    shown = [
        f"{settings.uri(key)}: {count.records}"
        for key, count in islice(counts.items(), FILES_SHOWN)
    ]
    more = f", and {len(counts) - FILES_SHOWN} more" if len(counts) > FILES_SHOWN else ""
    raise DataError(
        "COPY loaded another number of rows than the deliveries have; the orders table is as it "
        "was.",
        where=", ".join(settings.uri(key) for key in islice(counts, FILES_SHOWN)) + more,
        expected=f"{records} rows ({', '.join(shown)}{more})",
        found=f"{rows} loaded and {rejected} rejected",
        fix="Look in these files for quotes, line ends and empty lines that are not CSV, correct "
        "them and deliver again. If they are right, the warehouse reads them otherwise than "
        "RFC 4180: quote every field.",
    )
