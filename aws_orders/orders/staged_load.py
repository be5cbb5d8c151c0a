"""A load as plain data: deliveries that one COPY loads, and what is recorded of them. Pure.

See `staging` for the COPY and `load` for writing the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws_orders.contract import ORDERS
from aws_orders.orders.delivery_columns import file_columns, stage_columns
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
        """Return the load's rows of `ORDERS_LOADS`, in the contract's order of columns."""
        return [
            (self.id, o.key, o.etag, o.size, self.rows, run_id, now, self.records[o.key])
            for o in self.members
        ]

    def rejected_entries(self) -> list[tuple[Any, ...]]:
        """Return the load's rows of `ORDERS_REJECTED`, in the contract's order of columns."""
        names = dict(zip(self.columns, file_columns(self.header), strict=True))
        return [
            (
                self.id,
                row.file.split("/", 3)[3],
                row.line,
                _shortened(names.get(row.column, row.column)) or None,
                row.reason,
            )
            for row in self.rejected
        ]


def _shortened(name: str) -> str:
    """Return a column's name cut to the length of a name in Redshift; a file's may be longer."""
    return name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")


def stage_name(load_id: int) -> str:
    """Return the name of the temporary table that holds a load's rows."""
    return f"orders_stage_{load_id}"
