"""A load as plain data: deliveries that one COPY loads, and what the ledger records of them. Pure.

See `staging` for the COPY and `commit` for writing the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws_orders.contract import ORDERS, ORDERS_LOADS, ORDERS_REJECTED, Table
from aws_orders.orders.delivery_columns import file_columns, stage_columns
from aws_orders.resources.locations import split_s3_url
from aws_orders.resources.objects import StoredObject
from aws_orders.resources.redshift.errors import RejectedRow

# https://docs.aws.amazon.com/redshift/latest/dg/r_names.html
MAX_NAME_BYTES = 127


@dataclass(frozen=True)
class StagedLoad:
    """Deliveries of one shape that one COPY loads and that are replaced together.

    Attributes:
        id: The load's id; ids increase from load to load.
        header: The deliveries' columns, in order.
        members: The deliveries.
        rows: Rows loaded.
        rejected: Rows that COPY rejected.
        records: Records of each delivery, by key, counted independently of COPY.
    """

    id: int
    header: tuple[str, ...]
    members: Sequence[StoredObject]
    rows: int
    rejected: Sequence[RejectedRow]
    records: Mapping[str, int]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the temporary table, in the file's order."""
        return stage_columns(self.header, ORDERS)

    def ledger_entries(self, run_id: str, now: datetime) -> list[tuple[Any, ...]]:
        """Return the load's rows of `ORDERS_LOADS`, in the contract's order of columns.

        Args:
            run_id: The id of the run.
            now: The time of the load, in UTC and without a time zone.
        """
        entries = (
            {
                "load_id": self.id,
                "delivery": stored.key,
                "etag": stored.etag,
                "size": stored.size,
                "load_rows": self.rows,
                "run_id": run_id,
                "loaded_at": now,
                "records": self.records[stored.key],
            }
            for stored in self.members
        )
        return [_in_order(ORDERS_LOADS, entry) for entry in entries]

    def rejected_entries(self) -> list[tuple[Any, ...]]:
        """Return the load's rows of `ORDERS_REJECTED`, in the contract's order of columns."""
        names = dict(zip(self.columns, file_columns(self.header), strict=True))
        entries = (
            {
                "load_id": self.id,
                "delivery": split_s3_url(row.file)[1],
                "line": row.line,
                "column_name": _shortened(names.get(row.column, row.column)) or None,
                "reason": row.reason,
            }
            for row in self.rejected
        )
        return [_in_order(ORDERS_REJECTED, entry) for entry in entries]


def _in_order(table: Table, values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(values[name] for name in table.names)


def _shortened(name: str) -> str:
    """Return a column's name cut to the length of a name in Redshift; a file's may be longer."""
    return name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")


def stage_name(load_id: int) -> str:
    """Return the name of the temporary table that holds a load's rows."""
    return f"orders_stage_{load_id}"
