"""Compares a listing with the load ledger: what to load, and what to replace. Pure.

Both sides are streams sorted by key; memory grows only with what is new. See `load_plan` for
reading them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from aws_orders.errors import RetryableError
from aws_orders.resources.objects import StoredObject

T = TypeVar("T")


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
        outdated: The ids of the loads that brought the earlier content.
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
    """Return the keys whose loaded content S3 no longer has; `present` has ETags by key."""
    return [entry.key for entry in entries if present.get(entry.key) != entry.etag]


def slices(items: Sequence[T], length: int) -> Iterator[Sequence[T]]:
    """Cut `items` into pieces of at most `length`."""
    for start in range(0, len(items), length):
        yield items[start : start + length]
