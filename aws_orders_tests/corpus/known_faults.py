"""Cases that the platform, or the laptop's Redshift, does not yet meet, each with its reason.

A case listed here must fail: who mends its fault takes it out.
"""

from collections.abc import Iterable

import pytest

SHOWS_ADDRESSES = "the header is shown as it stands, in the error or the preview, addresses too"
HEADER_REACHES_REDSHIFT = "only Redshift refuses the header, without a word of the file"
UNREAD_CSV = "the csv module's error is passed on, without a word of the file"
UNREAD_GZIP = "the gzip module's or Redshift's error is passed on, without what to do"
PREVIEW_FAILS = "the preview in s3_orders fails first, without a word of the file"
POSTGRES_READS_IT = "PostgreSQL takes it for a number, the laptop's Redshift too; Redshift does not"

WRONG_ENCODING = "urllib3's error is passed on, and tried again in vain, without the address"

KNOWN_FAULTS: dict[str, str] = {
    "no header": SHOWS_ADDRESSES,
    "column cut off by a quote": SHOWS_ADDRESSES,
    "empty column name": HEADER_REACHES_REDSHIFT,
    "column name beyond 127 bytes": HEADER_REACHES_REDSHIFT,
    "more columns than a table takes": HEADER_REACHES_REDSHIFT,
    "lines that end with CR alone": UNREAD_CSV,
    "quote never closed, 200 KB before the end": UNREAD_CSV,
    "CR within a field": UNREAD_CSV,
    "byte order mark and nothing else": PREVIEW_FAILS,
    "plain text that is named .gz": PREVIEW_FAILS,
    "gzip cut off in the header": PREVIEW_FAILS,
    "gzip of nothing": PREVIEW_FAILS,
    "gzip cut off at the end": UNREAD_GZIP,
    "gzip with a wrong checksum": UNREAD_GZIP,
    "gzip with something behind it": UNREAD_GZIP,
    "gzip damaged half-way": UNREAD_GZIP,
    "id with underscores": POSTGRES_READS_IT,
    "id in hexadecimal": POSTGRES_READS_IT,
    "price that is NaN": POSTGRES_READS_IT,
    "products: lines that end with CR alone": UNREAD_CSV,
    "orders: lines that end with CR alone": UNREAD_CSV,
    "orders: no header": SHOWS_ADDRESSES,
    "orders: empty column name": HEADER_REACHES_REDSHIFT,
    "address: bracket that is not closed": "urllib's ValueError is passed on as it is",
    "http: no gzip, though it is said to be": WRONG_ENCODING,
    "http: gzip cut off between two lines": "urllib3 does not ask for gzip's end: rows are lost",
    "no total": "no check asks for a total",
}


def cases(names: Iterable[str]) -> list[object]:
    """Return a table's names as parameters, those with a known fault marked as failing."""
    return [
        pytest.param(
            name,
            id=name,
            marks=[pytest.mark.xfail(strict=True, reason=KNOWN_FAULTS[name])]
            if name in KNOWN_FAULTS
            else [],
        )
        for name in names
    ]
