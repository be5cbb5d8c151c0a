"""Loads the deliveries that the ledger lacks: plan, stage, commit.

The steps are in `load_plan`, `staging` and `commit`, which also says what one transaction holds.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_orders.contract import ORDERS, ORDERS_TABLES
from aws_orders.orders.commit import commit_loads, delete_outdated_quarantines
from aws_orders.orders.delivery_columns import file_columns, unknown_columns
from aws_orders.orders.ledger import Changes, PlanOutdatedError
from aws_orders.orders.load_plan import plan_load
from aws_orders.orders.staged_load import StagedLoad
from aws_orders.orders.staging import Staging
from aws_orders.resources.objects import StoredObject
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.schema_evolution import evolve
from aws_orders.resources.redshift.session import Session
from aws_orders.resources.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PLAN_ATTEMPTS = 4


@dataclass(frozen=True)
class OrdersLoad:
    """The result of `load_orders`.

    Attributes:
        rows: Rows in the table now.
        planning_seconds: Time spent on comparing the listing with the ledger.
        changes: How the deliveries differed from the ledger.
        loads: The loads.
        schema_changes: The statements that changed the tables before the load.
    """

    rows: int
    planning_seconds: float
    changes: Changes
    loads: Sequence[StagedLoad]
    schema_changes: Sequence[str]

    @property
    def loaded(self) -> int:
        """Rows loaded."""
        return sum(load.rows for load in self.loads)

    @property
    def deliveries(self) -> list[StoredObject]:
        """Deliveries loaded."""
        return [stored for load in self.loads for stored in load.members]

    @property
    def columns(self) -> list[str]:
        """The columns of the deliveries loaded."""
        return sorted({name for load in self.loads for name in file_columns(load.header)})

    @property
    def unknown_columns(self) -> dict[str, list[str]]:
        """For each column that the contract does not have, the first files that have it."""
        return unknown_columns(
            ((load.header, [stored.key for stored in load.members]) for load in self.loads),
            ORDERS.names,
        )


def load_orders(
    redshift: RedshiftResource,
    s3: "S3Client",
    settings: Settings,
    run_id: str,
    run_prefix: str,
    *,
    full_refresh: bool = False,
    max_bad_share: float = 0,
) -> OrdersLoad:
    """Load the deliveries that the ledger lacks; rows and ledger entries commit together.

    A redelivered file replaces the load that brought it; the other files of that load are loaded
    again. A file that was deleted from S3 keeps its rows.

    Args:
        redshift: The warehouse.
        s3: The client that lists and reads deliveries.
        settings: The bucket.
        run_id: The run's id, for the ledger.
        run_prefix: Prefix of the run's keys, for the manifests.
        full_refresh: Replace all rows by what is on S3 now; rows from deleted files are removed.
        max_bad_share: The largest share, 0 to 1, of a load's rows that may be quarantined.

    Raises:
        DataError: a delivery cannot be loaded, or loading it or changing a table to the contract
            would lose data. The tables' rows are unchanged.
        PlanOutdatedError: other runs committed loads during each attempt; nothing was loaded.
    """
    schema_changes: list[str] = []  # of all attempts

    def load(session: Session) -> OrdersLoad:
        schema_changes.extend(evolve(session, redshift.schema_name, ORDERS_TABLES))
        staging = Staging(session, redshift, s3, settings, run_prefix, max_bad_share)
        return _load(staging, run_id, full_refresh, schema_changes)

    for _ in range(PLAN_ATTEMPTS - 1):
        with suppress(PlanOutdatedError):
            return redshift.run(load)
    return redshift.run(load)


def _load(
    staging: Staging, run_id: str, full_refresh: bool, schema_changes: Sequence[str]
) -> OrdersLoad:
    session, s3, settings = staging.session, staging.s3, staging.settings
    schema = staging.redshift.schema_name
    started = time.monotonic()
    plan = plan_load(session, schema, s3, settings, full_refresh)
    planning_seconds = time.monotonic() - started
    loads = list(staging.stage(plan))
    if loads or plan.full_refresh:
        commit_loads(session, schema, plan, loads, run_id)
        delete_outdated_quarantines(session, schema, s3, settings)
    rows = int(session.scalar(statements.count_rows(schema, ORDERS)))
    return OrdersLoad(rows, planning_seconds, plan.changes, loads, schema_changes)
