"""Counts the records of deliveries independently, while COPY loads them.

If COPY merges two records into one (for example at a stray quote), its row count does not show
it. The platform therefore reads each new delivery once, as a stream, and counts its records with
a strict parser. See
`delivery_files` for reading, `rows.records` for parsing, and `staging` for the caller.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from aws_orders.errors import DataError
from aws_orders.orders.delivery_columns import FILES_SHOWN, file_columns
from aws_orders.orders.delivery_files import read_chunks
from aws_orders.orders.rejected_rows import CORRECT_FILE
from aws_orders.resources.objects import StoredObject
from aws_orders.resources.redshift.session import REJECTED_SHOWN
from aws_orders.resources.settings import Settings
from aws_orders.rows.records import VALID_RECORD, RecordCounter, count_records
from aws_orders.rows.wording import counted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Reading from S3 overlaps; counting uses one processor (the interpreter's lock).
COUNT_THREADS = 4

Counts = Mapping[str, RecordCounter]


@contextmanager
def counting(
    s3: "S3Client", settings: Settings, members: Sequence[StoredObject]
) -> Iterator[Callable[[], Counts]]:
    """Count the records of deliveries in threads; yield a function that waits for the counts.

    It returns the counts by key. Leaving the context stops threads that are still reading.

    The function raises:
        DataError: a delivery's name ends in .gz, but its content is not gzip or is damaged.
        PlanOutdatedError: S3 no longer has the version of a delivery that was listed.
    """
    stopped = threading.Event()

    def count(stored: StoredObject) -> RecordCounter:
        return count_records(
            _until(stopped, read_chunks(s3, settings.uri(stored.key), stored.etag))
        )

    pool = ThreadPoolExecutor(COUNT_THREADS)
    try:
        futures = [(stored.key, pool.submit(count, stored)) for stored in members]
        yield lambda: {key: future.result() for key, future in futures}
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)


def _until(stopped: threading.Event, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if stopped.is_set():
            raise CancelledError
        yield chunk


def check_well_formed(
    counts: Counts, rejected: int, header: Sequence[str], settings: Settings
) -> None:
    """Check that COPY did not load records that are not CSV.

    Redshift rejects such records (error 1214); this check does not depend on that.

    Args:
        counts: The counts, by key.
        rejected: Rows that COPY rejected.
        header: The deliveries' columns.
        settings: The bucket.

    Raises:
        DataError: more records are not CSV than COPY rejected; the error names the first ones.
    """
    malformed = sum(count.malformed for count in counts.values())
    if malformed <= rejected:
        return
    columns = file_columns(header)
    places = [
        (f"{settings.uri(key)}, line {fault.line}", columns[fault.column - 1 :][:1], fault.reason)
        for key, count in counts.items()
        for fault in count.faults
    ]
    found = [
        f"{place}, column {''.join(column) or '?'}: {reason}"
        for place, column, reason in places[:REJECTED_SHOWN]
    ]
    raise DataError(
        f"{counted(malformed, 'row')} {'is' if malformed == 1 else 'are'} not valid CSV. "
        "The orders table is unchanged.",
        where=places[0][0],
        expected=VALID_RECORD,
        found="\n            ".join(found),
        fix=CORRECT_FILE,
    )


def check_loaded(counts: Counts, rows: int, rejected: int, settings: Settings) -> None:
    """Check that COPY loaded or rejected as many rows as the deliveries have records.

    Args:
        counts: The counts, by key.
        rows: Rows that COPY loaded.
        rejected: Rows that COPY rejected.
        settings: The bucket.

    Raises:
        DataError: the numbers differ; the error names the deliveries and both numbers.
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
        "COPY loaded a different number of rows than the deliveries have. The orders table is "
        "unchanged.",
        where=", ".join(settings.uri(key) for key in islice(counts, FILES_SHOWN)) + more,
        expected=f"{counted(records, 'row')} ({', '.join(shown)}{more})",
        found=f"{rows} loaded and {rejected} rejected",
        fix="Look for stray quotes, mixed line ends and empty lines. Correct the files and deliver "
        "them again. If the files are valid CSV, Redshift parses them differently: quote every "
        "field.",
    )
