"""Runs `refresh_all` in this process, and fails runs whose process has died.

Runs are recorded in the Dagster instance of DAGSTER_HOME, so that the UI shows them. `report`
prints the result.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from aws_orders.alerts.outcomes import step_error

JOB = "refresh_all"
OUTPUT = "detailed_orders_csv"
# Tags a run with its process, so that a run whose process has died can be recognized.
PROCESS_TAG = "aws_orders/process"
ACTIVE = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class AssetResult:
    """An asset's name and the metadata of its materialization."""

    asset: str
    metadata: dict[str, Any]

    @property
    def rows(self) -> int | None:
        """The number of rows; None if it is not known."""
        return self.metadata.get("dagster/row_count")

    @property
    def seconds(self) -> float:
        """The duration of the asset's step, in seconds."""
        return float(self.metadata["seconds"])


@dataclass
class Summary:
    """The result of a refresh.

    Attributes:
        assets: The result of each asset that completed.
        checks: The number of checks.
        failed_checks: By check, the description of its failure.
        error: Why the refresh failed; empty if it succeeded.
    """

    assets: dict[str, AssetResult] = field(default_factory=dict)
    checks: int = 0
    failed_checks: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether all assets completed."""
        return not self.error

    def as_json(self, seconds: float) -> dict[str, Any]:
        """Return rows and seconds of each asset, the output, the checks, and the total seconds."""
        output = self.assets[OUTPUT]
        return {
            "assets": {
                name: {"rows": result.rows, "seconds": result.seconds}
                for name, result in self.assets.items()
            },
            "output": {
                "uri": output.metadata["dagster/uri"],
                "rows": output.rows,
                "bytes": output.metadata["bytes"],
                "unmatched": output.metadata["unmatched_orders"],
            },
            "checks": {"made": self.checks, "failed": self.failed_checks},
            "seconds": round(seconds, 3),
        }


def preload() -> None:
    """Import what a refresh needs."""
    from aws_orders import definitions  # noqa: F401


def refresh(
    on_asset: Callable[[AssetResult], None],
    max_delete_share: float | None = None,
    *,
    force: bool = False,
) -> Summary:
    """Materialize all assets in this process.

    Args:
        on_asset: Called when an asset completes.
        max_delete_share: The share of the products table that the run may delete; None: default.
        force: Whether to fetch feeds even if their ETag proves that they have not changed.
    """
    from aws_orders.definitions import defs

    summary = Summary()

    @dg.success_hook
    def report_asset(context: dg.HookContext) -> None:
        result = _asset_result(context)
        summary.assets[result.asset] = result
        on_asset(result)

    with dg.DagsterInstance.get() as instance:
        result = (
            defs.resolve_job_def(JOB)
            .with_hooks({report_asset})
            .execute_in_process(
                run_config=_run_config(max_delete_share, force=force),
                instance=instance,
                tags={PROCESS_TAG: str(os.getpid())},
                raise_on_error=False,
            )
        )
    _add_checks(summary, result)
    if not result.success:
        failures = result.filter_events(lambda event: event.is_step_failure)
        errors = [f"{event.step_key} failed.\n{step_error(event)}" for event in failures]
        summary.error = "\n".join(errors) or "The run failed outside its steps."
    return summary


def _run_config(max_delete_share: float | None, *, force: bool) -> dict[str, Any]:
    fetch = {"config": {"force": force}}
    ops: dict[str, Any] = {"raw_products_csv": fetch, "s3_orders": fetch}
    if max_delete_share is not None:
        ops["dynamodb_products"] = {"config": {"max_delete_share": max_delete_share}}
    return {"ops": ops, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _asset_result(context: dg.HookContext) -> AssetResult:
    key = dg.AssetKey(context.op.name)
    entry = context.instance.get_latest_materialization_event(key)
    materialization = entry and entry.asset_materialization
    assert materialization is not None, f"{key} succeeded, but was not materialized"  # noqa: S101
    values = {name: value.value for name, value in materialization.metadata.items()}
    return AssetResult(context.op.name, values)


def _add_checks(summary: Summary, result: dg.ExecuteInProcessResult) -> None:
    evaluations = result.get_asset_check_evaluations()
    summary.checks = len(evaluations)
    summary.failed_checks = {
        f"{check.asset_key.to_user_string()}: {check.check_name}": check.description or ""
        for check in evaluations
        if not check.passed
    }


def fail_interrupted_runs(*, fresh_stack: bool) -> None:
    """Fail this instance's runs whose process has died, and free their concurrency slots.

    A killed run does not report its end, and its slots would block every later run.

    Args:
        fresh_stack: Whether the stack was started by this process, so that no run can be active.
    """
    with dg.DagsterInstance.get() as instance:
        for run in instance.get_runs(filters=dg.RunsFilter(statuses=ACTIVE)):
            process = run.tags.get(PROCESS_TAG)
            if fresh_stack or (process and not _exists(int(process))):
                instance.report_run_failed(run, "The run's process was killed.")
                instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
