"""Decides which ended runs are reported: an asset's first failure, and its recovery. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ValidationError


@dataclass(frozen=True)
class Outcome:
    """The outcome of an ended run.

    Attributes:
        run_id: The run.
        job: The name of its job.
        ended: When it ended.
        failed: Error per asset name, or per job if the run failed outside its assets.
        refreshed: The assets that it materialized and whose blocking checks passed, and the job
            if all of it succeeded.
        not_refreshed: The assets that it was to materialize and did not reach.
    """

    run_id: str
    job: str
    ended: datetime
    failed: Mapping[str, str]
    refreshed: frozenset[str]
    not_refreshed: tuple[str, ...] = ()


class OngoingFailure(BaseModel, frozen=True):
    """A failure that was reported: since when, and in how many runs so far."""

    since: datetime
    runs: int = 1


class AlertCursor(BaseModel, frozen=True):
    """The sensor's state between ticks; its size is bounded by the number of assets.

    Attributes:
        position: The last evaluated run, as its position in Dagster's event log.
        broken: The ongoing failures, by asset or job.
    """

    position: int
    broken: dict[str, OngoingFailure] = {}


def read_cursor(text: str | None) -> AlertCursor | None:
    """Return the previous tick's cursor; None if there is none, or if it cannot be read."""
    try:
        return AlertCursor.model_validate_json(text or "")
    except ValidationError:
        return None


def update_failures(
    before: Mapping[str, OngoingFailure], run: Outcome
) -> dict[str, OngoingFailure]:
    """Return the ongoing failures after a run, from those before it."""
    after = {name: failure for name, failure in before.items() if name not in run.refreshed}
    for name in run.failed:
        failure = before.get(name, OngoingFailure(since=run.ended, runs=0))
        after[name] = OngoingFailure(since=failure.since, runs=failure.runs + 1)
    return after


def is_reported(before: Mapping[str, OngoingFailure], after: Mapping[str, OngoingFailure]) -> bool:
    """Return whether a run is reported: an asset or job started to fail, or recovered."""
    return before.keys() != after.keys()
