"""Loads the deliveries that the ledger lacks: plan, stage, commit.

The steps are in `load_plan`, `staging` and `commit`, which also says what one transaction holds.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_orders.contract import ORDERS, ORDERS_TABLES
from aws_orders.orders.commit import commit_loads, delete_outdated_quarantines
from aws_orders.orders.delivery_columns import file_columns, unknown_columns
from aws_orders.orders.ledger import Changes, PlanOutdatedError
from aws_orders.orders.load_plan import LoadPlan, plan_load
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

    If a file is redelivered, its rows are replaced, and the other files of the same load are
    reloaded. If it is deleted from S3, its rows stay.

    Args:
        redshift: The warehouse.
        s3: The client that lists and reads deliveries.
        settings: The bucket.
        run_id: The run's id, for the ledger.
        run_prefix: Prefix of the run's keys, for the manifests.
        full_refresh: Delete all orders and reload everything that is on S3 now.
        max_bad_share: The largest share, 0 to 1, of a load's rows that may be quarantined.

    Raises:
        DataError: a delivery cannot be loaded, or loading it or changing a table to the contract
            would lose data. The tables' rows are unchanged.
        PlanOutdatedError: in each attempt another run committed a load, or a delivery was
            replaced or deleted; nothing was loaded.
    """
    schema_changes: list[str] = []  # of all attempts

    def load(session: Session) -> OrdersLoad:
        schema_changes.extend(evolve(session, redshift.schema_name, ORDERS_TABLES))
        plan = plan_load(session, redshift.schema_name, s3, settings, full_refresh)
        staging = Staging(session, redshift, s3, settings, run_prefix, max_bad_share)
        loads = list(staging.stage(plan))
        rows = _commit(session, redshift.schema_name, s3, settings, plan, loads, run_id)
        return OrdersLoad(rows, plan.seconds, plan.changes, loads, schema_changes)

    return _with_new_plans(lambda: redshift.run(load))


def _with_new_plans(attempt: Callable[[], OrdersLoad]) -> OrdersLoad:
    """Return the result of `attempt`; repeat it if its plan is outdated."""
    for _ in range(PLAN_ATTEMPTS - 1):
        with suppress(PlanOutdatedError):
            return attempt()
    return attempt()


def _commit(
    session: Session,
    schema: str,
    s3: "S3Client",
    settings: Settings,
    plan: LoadPlan,
    loads: Sequence[StagedLoad],
    run_id: str,
) -> int:
    """Commit the loads, if there is anything to write; return the number of rows in the table."""
    if loads or plan.full_refresh:
        commit_loads(session, schema, plan, loads, run_id)
        delete_outdated_quarantines(session, schema, s3, settings)
    return int(session.scalar(statements.count_rows(schema, ORDERS)))
