"""Running `refresh_all` in this process, and telling of it: for the command line.

Runs are recorded in the Dagster instance that DAGSTER_HOME names, so that the UI shows them.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import dagster as dg

from aws_orders.reporting.previews import first_rows
from aws_orders.resources.locations import split_s3_url
from aws_orders.rows.masking import masked

JOB = "refresh_all"
OUTPUT = "detailed_orders_csv"
# Marks a run with the process it is in, so that one whose process is gone can be told.
PROCESS_TAG = "aws_orders/process"
PREVIEW_ROWS = 5


@dataclass(frozen=True)
class Line:
    """What one asset's materialization reported."""

    asset: str
    metadata: dict[str, Any]

    @property
    def rows(self) -> int | None:
        """Rows, where the asset knows them."""
        return self.metadata.get("dagster/row_count")

    @property
    def seconds(self) -> float:
        """Seconds that the asset's work took."""
        return float(self.metadata["seconds"])


@dataclass
class Summary:
    """What a refresh came to: a line for each asset that completed, and the error, if any.

    Attributes:
        lines: By asset.
        checks: How many checks were made.
        warnings: By the check that failed, what it found.
        error: Why the refresh failed; empty where it did not.
    """

    lines: dict[str, Line] = field(default_factory=dict)
    checks: int = 0
    warnings: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether all assets completed."""
        return not self.error

    def as_json(self, seconds: float) -> dict[str, Any]:
        """Return rows and seconds by asset, what the output is, the checks, and all seconds."""
        output = self.lines[OUTPUT]
        return {
            "assets": {
                name: {"rows": line.rows, "seconds": line.seconds}
                for name, line in self.lines.items()
            },
            "output": {
                "uri": output.metadata["dagster/uri"],
                "rows": output.rows,
                "bytes": output.metadata["bytes"],
                "unmatched": output.metadata["unmatched_orders"],
            },
            "checks": {"made": self.checks, "failed": self.warnings},
            "seconds": round(seconds, 3),
        }


def preload() -> None:
    """Import what a refresh needs."""
    from aws_orders import definitions  # noqa: F401


def refresh(
    tell: Callable[[Line], None], max_delete_share: float | None = None, *, force: bool = False
) -> Summary:
    """Materialize all assets in this process.

    Args:
        tell: Called for each asset as it completes.
        max_delete_share: What `dynamodb_products` may delete, where not its default.
        force: Whether to fetch feeds that their ETag proves unchanged.
    """
    from aws_orders.definitions import defs

    summary = Summary()

    @dg.success_hook
    def told(context: dg.HookContext) -> None:
        key = dg.AssetKey(context.op.name)
        entry = context.instance.get_latest_materialization_event(key)
        materialization = entry and entry.asset_materialization
        assert materialization is not None, f"{key} succeeded, but reported nothing"  # noqa: S101
        values = {name: value.value for name, value in materialization.metadata.items()}
        line = summary.lines[context.op.name] = Line(context.op.name, values)
        tell(line)

    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    fetch = {"config": {"force": force}}
    config["ops"] = {"raw_products_csv": fetch, "s3_orders": fetch}
    if max_delete_share is not None:
        share = {"max_delete_share": max_delete_share}
        config["ops"]["dynamodb_products"] = {"config": share}
    with dg.DagsterInstance.get() as instance:
        result = (
            defs.resolve_job_def(JOB)
            .with_hooks({told})
            .execute_in_process(
                run_config=config,
                instance=instance,
                tags={PROCESS_TAG: str(os.getpid())},
                raise_on_error=False,
            )
        )
    found = result.get_asset_check_evaluations()
    summary.checks = len(found)
    summary.warnings = {
        f"{check.asset_key.to_user_string()}: {check.check_name}": check.description or ""
        for check in found
        if not check.passed
    }
    if not result.success:
        summary.error = "\n".join(
            f"{event.step_key} failed.\n{_reason(event.step_failure_data)}"
            for event in result.filter_events(lambda event: event.is_step_failure)
        )
    return summary


def _reason(failure: Any) -> str:
    if failure.user_failure_data and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    error = failure.error.cause or failure.error
    return str(error.message).strip()


def recover(*, fresh_stack: bool) -> None:
    """Fail the runs of this instance that died with their process, and free what they held.

    A run that was killed says nothing; its pool slots would keep every later run waiting.

    Args:
        fresh_stack: Whether the stack was started just now, so that no other run can be alive.
    """
    alive = [
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    with dg.DagsterInstance.get() as instance:
        for run in instance.get_runs(filters=dg.RunsFilter(statuses=alive)):
            process = run.tags.get(PROCESS_TAG)
            if fresh_stack or (process and not _exists(int(process))):
                instance.report_run_failed(run, "The process that this run was in is gone.")
                instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def ignore(line: Line) -> None:
    """Tell nothing."""


def print_line(line: Line) -> None:
    """Print a completed asset's name, rows and seconds."""
    rows = "" if line.rows is None else f"{line.rows:,} rows"
    print(f"  {line.asset:<20} {rows:>16} {line.seconds:>9.2f} s", flush=True)


def print_result(summary: Summary, seconds: float) -> None:
    """Print where the result is, its first rows, and what to try next."""
    output = summary.lines[OUTPUT]
    uri, rows = output.metadata["dagster/uri"], output.rows or 0
    print(f"\n{uri}: {rows:,} rows, {output.metadata['bytes']:,} bytes, in {seconds:.1f} s")
    if unmatched := output.metadata["unmatched_orders"]:
        place = output.metadata["unmatched_orders_file"]
        print(f"{unmatched:,} orders of unknown products are in {place}")
    print(f"{summary.checks - len(summary.warnings)} of {summary.checks} checks passed")
    for check, told in summary.warnings.items():
        print(f"  {check}: {told}")
    print()
    for row in _aligned(_first_rows(uri)):
        print(f"  {row}")
    print("\nNext: make dev, and see it in Dagster's web UI on http://127.0.0.1:3000")


def _first_rows(uri: str) -> list[list[str]]:
    bucket, key = split_s3_url(uri)
    rows = first_rows(boto3.client("s3"), bucket, key, PREVIEW_ROWS)
    header = rows[0]
    return [header, *(list(map(masked, header, row)) for row in rows[1:])]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
