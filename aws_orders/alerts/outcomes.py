"""Reads the outcomes of ended runs from Dagster's event log.

Dagster's run-status sensors would lose a notification: they advance their cursor when their
function raises, and they have no room for the platform's cursor. See `policy` for which outcomes
are reported.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import dagster as dg

from aws_orders.alerts.policy import Outcome

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

# How many ended runs one tick reads.
RUNS_A_TICK = 50
Event = dg.DagsterEventType
PLANNED, CHECK_PLANNED = Event.ASSET_MATERIALIZATION_PLANNED, Event.ASSET_CHECK_EVALUATION_PLANNED
MATERIALIZED, CHECKED = Event.ASSET_MATERIALIZATION, Event.ASSET_CHECK_EVALUATION
EVENTS_READ = {PLANNED, CHECK_PLANNED, MATERIALIZED, CHECKED, Event.STEP_FAILURE}
Events = Mapping[Event, Sequence[dg.DagsterEvent]]


class RunEnd(NamedTuple):
    """The end of a run: its position in the event log, the run, the time, and Dagster's event."""

    position: int
    run_id: str
    at: datetime
    event: dg.DagsterEvent

    @property
    def failed(self) -> bool:
        """Whether the run failed; otherwise it succeeded."""
        return self.event.event_type == Event.RUN_FAILURE


def last_position(instance: dg.DagsterInstance) -> int:
    """Return the position of the run that ended last; 0 if there is none."""
    return max((end.position for end in _run_ends(instance, None, 1, ascending=False)), default=0)


def runs_ended_after(instance: dg.DagsterInstance, position: int) -> list[RunEnd]:
    """Return the next runs that failed or succeeded after `position`, in order of their ends."""
    # The first RUNS_A_TICK of each kind contain the first RUNS_A_TICK of both.
    ends = _run_ends(instance, position, RUNS_A_TICK, ascending=True)
    return sorted(ends, key=lambda end: end.position)[:RUNS_A_TICK]


def _run_ends(
    instance: dg.DagsterInstance, after: int | None, limit: int, *, ascending: bool
) -> Iterator[RunEnd]:
    for kind in (Event.RUN_FAILURE, Event.RUN_SUCCESS):
        records_filter = dg.RunStatusChangeRecordsFilter(kind, after_storage_id=after)
        found = instance.fetch_run_status_changes(records_filter, limit, ascending=ascending)
        for record in found.records:
            if event := record.event_log_entry.dagster_event:
                at = datetime.fromtimestamp(record.timestamp, UTC)
                yield RunEnd(record.storage_id, record.run_id, at, event)


def read_outcome(instance: dg.DagsterInstance, end: RunEnd, location: str | None) -> Outcome | None:
    """Return the outcome of an ended run; None if it was deleted or belongs to another location.

    The error of a failed step is attributed to its assets; if blocking checks failed the step, to
    the checked assets, whether they were materialized or not. If the run failed without a failed
    step, for example because its process was killed, the error is attributed to the assets that it
    did not reach.

    Args:
        instance: The Dagster instance.
        end: The end of the run.
        location: The name of the code location whose runs are reported.
    """
    run = instance.get_run_by_id(end.run_id)
    if run is None or _location(run) not in (None, location):
        return None
    events: dict[Event, list[dg.DagsterEvent]] = defaultdict(list)
    for entry in instance.all_logs(end.run_id, of_type=EVENTS_READ):
        if entry.dagster_event:
            events[entry.dagster_event.event_type].append(entry.dagster_event)
    planned = {name for event in events[PLANNED] for name in _assets(event)}
    materialized = {name for event in events[MATERIALIZED] for name in _assets(event)}
    job_name = f"job {run.job_name}"
    failed = _errors_by_asset(events, job_name)
    missing = planned - materialized - failed.keys()
    if end.failed and not failed:
        data = end.event.job_failure_data  # None if the daemon failed the run
        error = f"{end.event.message}\n{_error_message(data.error if data else None)}"
        failed = dict.fromkeys(missing or {job_name}, error)
    succeeded = materialized if end.failed else materialized | {job_name}
    return Outcome(
        run_id=end.run_id,
        job=run.job_name,
        ended=end.at,
        failed=failed,
        refreshed=frozenset(succeeded - failed.keys()),
        not_refreshed=tuple(sorted(missing - failed.keys())),
    )


def _location(run: dg.DagsterRun) -> str | None:
    """Return the code location that a run was launched from; None if it has none."""
    origin = run.remote_job_origin
    return origin.repository_origin.code_location_origin.location_name if origin else None


def _errors_by_asset(events: Events, job_name: str) -> dict[str, str]:
    """Return the failed steps' errors by asset, and under `job_name` for steps without assets."""
    assets: dict[str | None, set[str]] = defaultdict(set)
    for event in (*events[PLANNED], *events[CHECK_PLANNED]):
        assets[event.step_key].update(_assets(event))
    errors: dict[str, list[str]] = defaultdict(list)
    for event in events[Event.STEP_FAILURE]:
        if failed_checks := _failed_checks(events, event.step_key):
            for check in failed_checks:
                description = check.description or "see its metadata in the UI"
                asset = check.asset_key.to_user_string()
                errors[asset].append(f"The blocking check {check.check_name} failed: {description}")
        else:
            text = step_error(event)
            for name in assets[event.step_key] or {job_name}:
                errors[name].append(text)
    return {name: "\n".join(texts) for name, texts in errors.items()}


def _failed_checks(events: Events, step_key: str | None) -> list[dg.AssetCheckEvaluation]:
    """Return a step's failed blocking checks; after several attempts, those of the last one."""
    results = [e.asset_check_evaluation_data for e in events[CHECKED] if e.step_key == step_key]
    last = {result.asset_check_key: result for result in results}
    return [
        result
        for result in last.values()
        if result.blocking and not result.passed and result.severity == dg.AssetCheckSeverity.ERROR
    ]


def step_error(event: dg.DagsterEvent) -> str:
    """Return a failed step's error: a Failure's description, or the exception's message."""
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    return _error_message(failure.error)


def _error_message(error: "SerializableErrorInfo | None") -> str:
    """Return the message of the exception that was raised; Dagster wraps it once."""
    raised = (error and error.cause) or error
    return raised.message.strip() if raised else ""


def _assets(event: dg.DagsterEvent) -> list[str]:
    """Return the asset of an event, if it has one."""
    planned_check = event.event_type == CHECK_PLANNED
    key = event.asset_check_planned_data.asset_key if planned_check else event.asset_key
    return [key.to_user_string()] if key else []
