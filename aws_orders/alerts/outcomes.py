"""What ended runs came to, as Dagster's event log has it.

Dagster's own run-status sensors would lose an alert: they move on where their function raises,
and leave no room for a cursor of ours. What an outcome means to people is `alerts`' business.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import dagster as dg

from aws_orders.alerts.policy import Outcome

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

# How many ended runs a tick looks at.
RUNS_A_TICK = 50
Event = dg.DagsterEventType
PLANNED, CHECK_PLANNED = Event.ASSET_MATERIALIZATION_PLANNED, Event.ASSET_CHECK_EVALUATION_PLANNED
DONE, CHECKED = Event.ASSET_MATERIALIZATION, Event.ASSET_CHECK_EVALUATION
BLOCKS = dg.AssetCheckSeverity.ERROR
READ = {PLANNED, CHECK_PLANNED, DONE, CHECKED, Event.STEP_FAILURE}
Events = Mapping[Event, Sequence[dg.DagsterEvent]]


class Ended(NamedTuple):
    """A run's end: its place in the event log, which run, when, and what Dagster says of it."""

    position: int
    run_id: str
    at: datetime
    event: dg.DagsterEvent

    @property
    def failed(self) -> bool:
        """Whether the run failed, as opposed to succeeded."""
        return self.event.event_type == Event.RUN_FAILURE


def last_position(instance: dg.DagsterInstance) -> int:
    """Return the position of the last run that ended; 0 where none has."""
    return max((end.position for end in _ends(instance, None, 1, ascending=False)), default=0)


def ended_after(instance: dg.DagsterInstance, position: int) -> list[Ended]:
    """Return the next runs that failed or succeeded after `position`, in the order they ended."""
    # The first so many of each kind hold the first so many of both.
    ends = _ends(instance, position, RUNS_A_TICK, ascending=True)
    return sorted(ends, key=lambda end: end.position)[:RUNS_A_TICK]


def _ends(
    instance: dg.DagsterInstance, after: int | None, limit: int, *, ascending: bool
) -> Iterator[Ended]:
    for kind in (Event.RUN_FAILURE, Event.RUN_SUCCESS):
        wanted = dg.RunStatusChangeRecordsFilter(kind, after_storage_id=after)
        found = instance.fetch_run_status_changes(wanted, limit, ascending=ascending)
        for record in found.records:
            if event := record.event_log_entry.dagster_event:
                at = datetime.fromtimestamp(record.timestamp, UTC)
                yield Ended(record.storage_id, record.run_id, at, event)


def outcome(instance: dg.DagsterInstance, end: Ended, location: str | None) -> Outcome | None:
    """Return what an ended run came to; None where it was deleted, or is not of `location`.

    A failed step counts against its assets; one that failed by blocking checks, against the
    assets that these found at fault, materialized or not. A run that failed without a failed
    step, as where its process was killed, counts against the assets that it did not come to.
    """
    run = instance.get_run_by_id(end.run_id)
    if run is None or _location(run) not in (None, location):
        return None
    events: dict[Event, list[dg.DagsterEvent]] = defaultdict(list)
    for entry in instance.all_logs(end.run_id, of_type=READ):
        if entry.dagster_event:
            events[entry.dagster_event.event_type].append(entry.dagster_event)
    planned = {name for event in events[PLANNED] for name in _assets(event)}
    done = {name for event in events[DONE] for name in _assets(event)}
    whole = f"job {run.job_name}"
    failed = _failed_steps(events, whole)
    missing = planned - done - failed.keys()
    if end.failed and not failed:
        data = end.event.job_failure_data  # none where it is the daemon that gave the run up
        error = f"{end.event.message}\n{_told(data.error if data else None)}"
        failed = dict.fromkeys(missing or {whole}, error)
    return Outcome(
        run_id=end.run_id,
        job=run.job_name,
        ended=end.at,
        failed=failed,
        refreshed=frozenset((done if end.failed else done | {whole}) - failed.keys()),
        left=tuple(sorted(missing - failed.keys())),
    )


def _location(run: dg.DagsterRun) -> str | None:
    """Return the code location that a run was launched from; None where no server was."""
    origin = run.remote_job_origin
    return origin.repository_origin.code_location_origin.location_name if origin else None


def _failed_steps(events: Events, whole: str) -> dict[str, str]:
    """Return the failed steps' errors by asset; those of steps without one, for the `whole`."""
    assets: dict[str | None, set[str]] = defaultdict(set)
    for event in (*events[PLANNED], *events[CHECK_PLANNED]):
        assets[event.step_key].update(_assets(event))
    errors: dict[str, list[str]] = defaultdict(list)
    for event in events[Event.STEP_FAILURE]:
        if faults := _failed_checks(events, event.step_key):
            for check in faults:
                found = check.description or "see its metadata in the UI"
                asset = check.asset_key.to_user_string()
                errors[asset].append(f"The blocking check {check.check_name} failed: {found}")
        else:
            text = _told_of_step(event)
            for name in assets[event.step_key] or {whole}:
                errors[name].append(text)
    return {name: "\n".join(texts) for name, texts in errors.items()}


def _failed_checks(events: Events, step_key: str | None) -> list[dg.AssetCheckEvaluation]:
    """Return the blocking checks' bad verdicts in a step; of several attempts, the last's."""
    verdicts = [e.asset_check_evaluation_data for e in events[CHECKED] if e.step_key == step_key]
    last = {verdict.asset_check_key: verdict for verdict in verdicts}
    return [
        verdict
        for verdict in last.values()
        if verdict.blocking and not verdict.passed and verdict.severity == BLOCKS
    ]


def _told_of_step(event: dg.DagsterEvent) -> str:
    """Return what a failed step's error says: a Failure's description, or what was raised."""
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    return _told(failure.error)


def _told(error: "SerializableErrorInfo | None") -> str:
    """Return an error's message; Dagster wraps what the code of an asset raised once."""
    raised = (error and error.cause) or error
    return raised.message.strip() if raised else ""


def _assets(event: dg.DagsterEvent) -> list[str]:
    """Return the asset that an event is about, or none."""
    checked = event.event_type == CHECK_PLANNED
    key = event.asset_check_planned_data.asset_key if checked else event.asset_key
    return [key.to_user_string()] if key else []
