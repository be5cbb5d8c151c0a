"""Loads the deliveries that the ledger lacks: rows and ledger in one transaction."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_orders.config import Settings
from aws_orders.contract import ORDERS, ORDERS_LOADS, ORDERS_REJECTED, ORDERS_TABLES, Table
from aws_orders.orders import deliveries, sql
from aws_orders.orders.ledger import Changes, PlanOutdatedError, slices
from aws_orders.orders.load_plan import LoadPlan, plan_load
from aws_orders.orders.rejected_rows import sweep
from aws_orders.orders.staging import Load, Staging, stage_of
from aws_orders.resources.objects import StoredObject
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.schema_evolution import evolve
from aws_orders.resources.redshift.session import Session

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LEDGER_ATTEMPTS = 4
# Rows an INSERT: a statement may take 16 MB in Redshift.
INSERTED_ROWS = 1000


@dataclass(frozen=True)
class OrdersLoad:
    """What `load_orders` did.

    Attributes:
        rows: Rows in the table now.
        planning_seconds: Spent on comparing the listing with the ledger.
        changes: How the deliveries differed from the ledger.
        loads: What was loaded.
        schema_changes: The statements that changed the tables before the load.
    """

    rows: int
    planning_seconds: float
    changes: Changes
    loads: Sequence[Load]
    schema_changes: Sequence[str]

    @property
    def loaded(self) -> int:
        """Rows that were loaded."""
        return sum(load.rows for load in self.loads)

    @property
    def deliveries(self) -> list[StoredObject]:
        """All that was loaded."""
        return [stored for load in self.loads for stored in load.members]

    @property
    def columns(self) -> list[str]:
        """The columns of what was loaded."""
        headers = [load.header for load in self.loads]
        return sorted({name for header in headers for name in deliveries.file_columns(header)})

    @property
    def unknown_columns(self) -> dict[str, list[str]]:
        """By column that the contract does not know, the first files that have it."""
        return deliveries.unknown_columns(
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
    """Load the deliveries that the ledger lacks, rows and ledger entries in one transaction.

    A redelivered file replaces the load that brought it, whose other files are loaded again. A
    file that has gone from S3 keeps its rows.

    Args:
        redshift: The warehouse.
        s3: The client that lists deliveries and reads their headers.
        settings: Where the deliveries lie.
        run_id: The run to name in the ledger.
        run_prefix: Prefix of this run's own keys, for the manifests.
        full_refresh: Replace everything by what is on S3 now; rows of files that have gone go.
        max_bad_share: The largest share, 0 to 1, of a load's rows that may be set apart in the
            quarantine as not loadable; 0: a single one fails the load.

    Raises:
        DataError: a header lacks a column, rows cannot be loaded, or replacing a load would
            lose a file that has gone; or a table differs from the contract in a way that would
            lose data. The tables' rows are as they were.
        PlanOutdatedError: other runs kept committing loads; nothing was loaded.
    """
    changed: list[str] = []  # by all attempts together

    def work(session: Session) -> OrdersLoad:
        changed.extend(evolve(session, redshift.schema_name, ORDERS_TABLES))
        started = time.monotonic()
        plan = plan_load(session, redshift.schema_name, s3, settings, full_refresh)
        planned = time.monotonic() - started
        loading = Staging(session, redshift, s3, settings, run_prefix, max_bad_share)
        loads = list(loading.stage(plan))
        if loads or plan.everything:
            _commit(plan, loads, session, redshift.schema_name, run_id)
            _sweep_quarantine(session, redshift.schema_name, s3, settings)
        rows = int(session.scalar(statements.count_rows(redshift.schema_name, ORDERS)))
        return OrdersLoad(rows, planned, plan.changes, tuple(loads), changed)

    for _ in range(LEDGER_ATTEMPTS - 1):
        with suppress(PlanOutdatedError):
            return redshift.run(work)
    return redshift.run(work)


def _commit(
    plan: LoadPlan, loads: Sequence[Load], session: Session, schema: str, run_id: str
) -> None:
    """Write rows, ledger and rejected rows in one transaction: a crash leaves all or none."""
    with session.transaction():
        for table in ORDERS_TABLES:
            session.execute(statements.lock(schema, table))
        if session.rows(sql.newest_load(schema)) != [plan.newest]:
            raise PlanOutdatedError(f"another run loaded orders since load {plan.newest[0]}")
        for table in ORDERS_TABLES:
            if plan.everything:
                session.execute(statements.delete_all(schema, table))
            elif plan.changes.outdated:
                session.execute(sql.delete_loads(schema, table), (tuple(plan.changes.outdated),))
        for load in loads:
            insert = sql.insert_load(schema, ORDERS, stage_of(load.id), load.columns)
            session.execute(insert, (load.id,))
        now = datetime.now(UTC).replace(tzinfo=None)
        _insert(
            session, schema, ORDERS_LOADS, [e for load in loads for e in load.ledger(run_id, now)]
        )
        _insert(session, schema, ORDERS_REJECTED, [row for load in loads for row in load.refused])


def _insert(session: Session, schema: str, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    for piece in slices(rows, INSERTED_ROWS):
        values = tuple(value for row in piece for value in row)
        session.execute(statements.insert_rows(schema, table, len(piece)), values)


def _sweep_quarantine(session: Session, schema: str, s3: "S3Client", settings: Settings) -> None:
    ((newest, _),) = session.rows(sql.newest_load(schema))
    kept = [int(load_id) for (load_id,) in session.rows(sql.quarantined_loads(schema))]
    sweep(int(newest), kept, s3, settings)
