"""Orders files for the model of loads: their bytes, and the rows that Redshift must load."""

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from hypothesis import strategies as st

from aws_orders.contract import ORDERS
from aws_orders.resources.settings import ORDERS_FEED_KEY, ORDERS_PREFIX

# Names whose order differs between S3, Python and PostgreSQL.
NAMES = ("B.csv", "a.csv", "a-1.csv", "a.csv.gz", "a/1.csv", "ä.csv", "\U0001f4e6.csv.gz")


KEYS = (ORDERS_FEED_KEY, *(ORDERS_PREFIX + name for name in NAMES))


TEXTS = st.sampled_from(["", "Ada", 'Brandt, "Olga"', "Zoë", "two\nlines", "two\r\nlines"])


SUMS = st.sampled_from(["", "5", "0.10", "10.005", "-2.675"])


VALUES = {
    "order_id": st.sampled_from(["1", "2", "3", str(2**63 - 1)]),
    "customer_name": TEXTS,
    "customer_email": TEXTS,
    "product_id": st.sampled_from(["", "1", "7"]),
    "price": SUMS,
    "quantity": st.sampled_from(["", "1", "2"]),
    "total": SUMS,
    "order_date": st.sampled_from(["", "2026-11-23 08:15:00"]),
    "note": TEXTS,
}


# Mostly one header, so that files share a load; sometimes another.
HEADERS = st.one_of(
    st.just(ORDERS.expected),
    st.just(ORDERS.expected),
    st.sampled_from([ORDERS.names, ("note", *ORDERS.expected[::-1])]),
    st.tuples(st.permutations(list(VALUES)), st.sets(st.sampled_from(["order_date", "note"]))).map(
        lambda drawn: tuple(name for name in drawn[0] if name not in drawn[1])
    ),
)


Row = tuple[Any, ...]


@dataclass(frozen=True)
class File:
    """An orders file: its lines, how it is written, and the rows that Redshift must load."""

    header: tuple[str, ...]
    records: tuple[tuple[str, ...], ...]
    line_end: str = "\n"
    ended: bool = True

    def body(self, key: str) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=self.line_end).writerows([self.header, *self.records])
        plain = text.getvalue().removesuffix("" if self.ended else self.line_end).encode()
        return gzip.compress(plain, mtime=0) if key.endswith(".gz") else plain

    @property
    def rows(self) -> list[Row]:
        records = (dict(zip(self.header, record, strict=True)) for record in self.records)
        return [tuple(loaded(name, r.get(name, "")) for name in ORDERS.names) for r in records]


def loaded(column: str, text: str) -> Any:
    """Return what Redshift must make of a field."""
    if text == "":
        return None
    if column in ("price", "total"):
        return Decimal(text).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return int(text) if column in ("order_id", "product_id", "quantity") else text


@st.composite
def orders_files(draw: st.DrawFn, headers: st.SearchStrategy[Sequence[str]] = HEADERS) -> File:
    header = tuple(draw(headers))
    records = draw(st.lists(st.tuples(*(VALUES[name] for name in header)), max_size=4))
    return File(header, tuple(records), draw(st.sampled_from(["\n", "\r\n"])), draw(st.booleans()))


FILES = orders_files()


ALIKE = orders_files(st.just(ORDERS.expected))
