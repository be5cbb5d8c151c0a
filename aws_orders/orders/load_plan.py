"""What a load of orders must bring: the listing on S3 against the ledger in the warehouse.

The comparison is `ledger`'s; what is done about it is `staging`'s and `loads`' business.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from aws_orders.config import ORDERS_FEED_KEY, ORDERS_PREFIX, Settings
from aws_orders.errors import DataError
from aws_orders.orders import deliveries, sql
from aws_orders.orders.ledger import Changes, Entry, PlanOutdatedError, compare, lost, siblings
from aws_orders.resources.objects import StoredObject
from aws_orders.resources.redshift.session import Session
from aws_orders.resources.s3 import list_objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READERS = 16


@dataclass(frozen=True)
class LoadPlan:
    """What to load, and which loads to delete for it; `newest` is the ledger it is based on."""

    newest: tuple[int, datetime | None]
    changes: Changes
    again: list[StoredObject]
    everything: bool

    @property
    def groups(self) -> list[list[StoredObject]]:
        """Deliveries by load, but for their shape.

        What was delivered twice may be a third time, the feed above all: it gets loads of its
        own, so that next time no other file must be loaded again with it.
        """
        feed = [o for o in self.changes.new if o.key == ORDERS_FEED_KEY]
        others = [o for o in self.changes.new if o.key != ORDERS_FEED_KEY]
        return [group for group in (feed, self.changes.redelivered, others + self.again) if group]


def plan_load(
    session: Session, schema: str, s3: "S3Client", settings: Settings, everything: bool
) -> LoadPlan:
    """Return what differs between the listing and the ledger; `everything`: load all anew.

    Raises:
        DataError: replacing a load would lose the rows of a file that is gone from S3.
    """
    ((load_id, loaded_at),) = session.rows(sql.newest_load(schema))
    newest = (int(load_id), loaded_at)
    listing = (
        stored
        for stored in list_objects(s3, settings.bucket, ORDERS_PREFIX)
        if deliveries.is_delivery(stored)
    )
    if everything:
        return LoadPlan(newest, Changes(new=list(listing)), [], everything=True)
    entries = (Entry(*row) for row in session.stream(sql.select_ledger(schema)))
    changes = compare(listing, entries)
    again: list[StoredObject] = []
    if changes.outdated:
        members = session.rows(sql.select_members(schema), (tuple(changes.outdated),))
        kept = siblings((Entry(*row) for row in members), changes.redelivered)
        present = _present(s3, settings, [entry.key for entry in kept])
        if gone := lost(kept, {key: stored.etag for key, stored in present.items()}):
            raise _would_lose(settings, changes.redelivered, gone)
        again = list(present.values())
    return LoadPlan(newest, changes, again, everything=False)


def _present(s3: "S3Client", settings: Settings, keys: Sequence[str]) -> dict[str, StoredObject]:
    """Return by key those of the objects that S3 has now."""

    def first(key: str) -> StoredObject | None:
        # Of the keys that start with this one, it comes first in a listing.
        return next(list_objects(s3, settings.bucket, key), None)

    with ThreadPoolExecutor(READERS) as pool:
        found = zip(keys, pool.map(first, keys), strict=True)
        return {key: stored for key, stored in found if stored and stored.key == key}


def _would_lose(
    settings: Settings, redelivered: Sequence[StoredObject], gone: Sequence[str]
) -> DataError:
    return DataError(
        "A file was delivered again, but replacing its rows would lose another file's.",
        where=", ".join(settings.uri(stored.key) for stored in redelivered),
        expected="the files that were loaded together with it still on S3, as they were",
        found=", ".join(map(settings.uri, gone)) + " gone or changed",
        fix="Restore that file (a lifecycle rule may have archived it) and run again; or, if its "
        "rows may go, run redshift_orders with full_refresh: true.",
    )


def check_unchanged(members: Sequence[StoredObject], s3: "S3Client", settings: Settings) -> None:
    """Check that what COPY read is what the listing said: the ledger will name its ETags."""
    present = _present(s3, settings, [stored.key for stored in members])
    for stored in members:
        now = present.get(stored.key)
        if now is None or now.etag != stored.etag:
            uri = settings.uri(stored.key)
            raise PlanOutdatedError(f"{uri} was delivered anew, or went, while it was loaded")
