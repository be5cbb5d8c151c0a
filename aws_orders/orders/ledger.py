"""Compares a listing with the load ledger: what to load, and what to replace. Pure.

Both sides are streams sorted by key; only new and changed deliveries are kept in memory. See
`load_plan` for reading them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aws_orders.errors import RetryableError
from aws_orders.resources.objects import StoredObject


class PlanOutdatedError(RetryableError):
    """Another run committed a load, or a delivery changed, after this run's plan was made."""


@dataclass(frozen=True)
class Entry:
    """A ledger entry: a delivery, the ETag of the content loaded, and the load's id."""

    key: str
    etag: str
    load_id: int


@dataclass
class Changes:
    """How a listing differs from the ledger.

    Attributes:
        new: Deliveries that are not in the ledger.
        redelivered: Deliveries whose content differs from what was loaded.
        outdated: The ids of the loads that loaded the earlier content.
    """

    new: list[StoredObject] = field(default_factory=list)
    redelivered: list[StoredObject] = field(default_factory=list)
    outdated: set[int] = field(default_factory=set)


def compare(listing: Iterable[StoredObject], ledger: Iterable[Entry]) -> Changes:
    """Compare deliveries with the ledger, both in key order.

    A delivery that was deleted from S3 is not a change: its rows stay.
    """
    changes = Changes()
    entries = iter(ledger)
    entry = next(entries, None)
    for stored in listing:
        while entry and entry.key < stored.key:
            entry = next(entries, None)
        if entry is None or entry.key != stored.key:
            changes.new.append(stored)
        elif entry.etag != stored.etag:
            changes.redelivered.append(stored)
            changes.outdated.add(entry.load_id)
    # Read to the end: that closes the query's cursor now, not when the generator is collected.
    for _ in entries:
        pass
    return changes


def siblings(members: Iterable[Entry], redelivered: Iterable[StoredObject]) -> list[Entry]:
    """Return the members of outdated loads that were not redelivered."""
    changed = {stored.key for stored in redelivered}
    return [entry for entry in members if entry.key not in changed]


def lost(entries: Sequence[Entry], present: Mapping[str, str]) -> list[str]:
    """Return the keys of entries that were deleted or changed on S3; `present`: ETags by key."""
    return [entry.key for entry in entries if present.get(entry.key) != entry.etag]
