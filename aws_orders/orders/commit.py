"""Commits staged loads: rows, ledger and rejected rows in one transaction.

See `sql` for the statements, `staging` for what happens before, and `rejected_rows` for the
quarantine on S3.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_orders.contract import ORDERS, ORDERS_LOADS, ORDERS_REJECTED, ORDERS_TABLES, Table
from aws_orders.orders import sql
from aws_orders.orders.ledger import PlanOutdatedError
from aws_orders.orders.load_plan import LoadPlan
from aws_orders.orders.rejected_rows import delete_quarantines
from aws_orders.orders.staged_load import StagedLoad, stage_name
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.session import Session
from aws_orders.resources.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Rows per INSERT: Redshift's longest statement has 16 MB.
INSERTED_ROWS = 1000


def commit_loads(
    session: Session, schema: str, plan: LoadPlan, loads: Sequence[StagedLoad], run_id: str
) -> None:
    """Replace outdated loads by new ones, in one transaction: a crash leaves all or nothing.

    Raises:
        PlanOutdatedError: another run committed a load after the plan was made.
    """
    with session.transaction():
        for table in ORDERS_TABLES:
            session.execute(statements.lock(schema, table))
        if session.rows(sql.newest_load(schema)) != [plan.newest]:
            raise PlanOutdatedError(f"another run loaded orders since load {plan.newest[0]}")
        for table in ORDERS_TABLES:
            if plan.full_refresh:
                session.execute(statements.delete_all(schema, table))
            elif plan.changes.outdated:
                session.execute(sql.delete_loads(schema, table), (tuple(plan.changes.outdated),))
        for load in loads:
            insert = sql.insert_load(schema, ORDERS, stage_name(load.id), load.columns)
            session.execute(insert, (load.id,))
        now = datetime.now(UTC).replace(tzinfo=None)
        entries = [entry for load in loads for entry in load.ledger_entries(run_id, now)]
        _insert(session, schema, ORDERS_LOADS, entries)
        rejected = [entry for load in loads for entry in load.rejected_entries()]
        _insert(session, schema, ORDERS_REJECTED, rejected)


def _insert(session: Session, schema: str, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    for start in range(0, len(rows), INSERTED_ROWS):
        piece = rows[start : start + INSERTED_ROWS]
        values = tuple(value for row in piece for value in row)
        session.execute(statements.insert_rows(schema, table, len(piece)), values)


def delete_outdated_quarantines(
    session: Session, schema: str, s3: "S3Client", settings: Settings
) -> None:
    """Delete the quarantine files of loads, up to the newest, that have no rejected rows."""
    ((newest, _),) = session.rows(sql.newest_load(schema))
    kept = [int(load_id) for (load_id,) in session.rows(sql.quarantined_loads(schema))]
    delete_quarantines(int(newest), kept, s3, settings)
