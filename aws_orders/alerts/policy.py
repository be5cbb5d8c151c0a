"""Which ended runs are worth a message. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ValidationError


@dataclass(frozen=True)
class Outcome:
    """What an ended run came to.

    Attributes:
        failed: The error's text by what failed: an asset, or a job that failed by itself.
        refreshed: The assets that it brought up to date and that passed their blocking checks,
            and the job where all of it succeeded.
        left: Assets that it was to refresh and did not come to.
    """

    run_id: str
    job: str
    ended: datetime
    failed: Mapping[str, str]
    refreshed: frozenset[str]
    left: tuple[str, ...] = ()


class Broken(BaseModel, frozen=True):
    """Something that has failed and was told of: since when, and in how many runs by now."""

    since: datetime
    runs: int = 1


class Cursor(BaseModel, frozen=True):
    """What a tick leaves to the next: bounded by the number of assets.

    Attributes:
        position: The last ended run that was looked at, as its place in Dagster's event log.
        broken: What stands as broken, by name.
    """

    position: int
    broken: dict[str, Broken] = {}


def read_cursor(text: str | None) -> Cursor | None:
    """Return the last tick's cursor; None where there is none, or somebody else's text."""
    try:
        return Cursor.model_validate_json(text or "")
    except ValidationError:
        return None


def weigh(before: Mapping[str, Broken], run: Outcome) -> dict[str, Broken]:
    """Return what stands as broken after a run, from what stood so before."""
    after = {name: state for name, state in before.items() if name not in run.refreshed}
    for name in run.failed:
        state = before.get(name, Broken(since=run.ended, runs=0))
        after[name] = Broken(since=state.since, runs=state.runs + 1)
    return after
