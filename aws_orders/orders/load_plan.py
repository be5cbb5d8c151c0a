"""Plans a load of orders: compares the listing on S3 with the ledger in the warehouse.

See `ledger` for the comparison, and `staging` and `commit` for carrying the plan out.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from aws_orders.errors import DataError
from aws_orders.orders import sql
from aws_orders.orders.deliveries import is_delivery
from aws_orders.orders.ledger import Changes, Entry, PlanOutdatedError, compare, lost, siblings
from aws_orders.resources.objects import StoredObject
from aws_orders.resources.redshift.session import Session
from aws_orders.resources.s3 import list_objects
from aws_orders.resources.settings import ORDERS_FEED_KEY, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READERS = 16


@dataclass(frozen=True)
class LoadPlan:
    """What to load and what to replace.

    Attributes:
        newest: Id and time of the newest load in the ledger that the plan is based on.
        changes: How the listing differs from the ledger.
        reloads: Unchanged deliveries of the loads to replace.
        feed_key: Key at which the platform stores the orders feed.
        full_refresh: Whether all loads are replaced.
        seconds: Time spent on the comparison.
    """

    newest: tuple[int, datetime | None]
    changes: Changes
    reloads: list[StoredObject]
    feed_key: str
    full_refresh: bool
    seconds: float

    @property
    def groups(self) -> list[list[StoredObject]]:
        """Deliveries that may share a load if they have the same shape.

        Redelivered files and the feed are likely to be redelivered again. They get separate
        loads, so that replacing them reloads no other file.
        """
        feed = [stored for stored in self.changes.new if stored.key == self.feed_key]
        others = [stored for stored in self.changes.new if stored.key != self.feed_key]
        groups = (feed, self.changes.redelivered, others + self.reloads)
        return [group for group in groups if group]


def plan_load(
    session: Session, schema: str, s3: "S3Client", settings: Settings, full_refresh: bool
) -> LoadPlan:
    """Compare the listing with the ledger; with `full_refresh`, plan to load all deliveries.

    Raises:
        DataError: replacing a load would lose the rows of a file that was deleted from S3.
    """
    started = time.monotonic()
    ((load_id, loaded_at),) = session.rows(sql.newest_load(schema))
    newest = (int(load_id), loaded_at)
    prefix, feed_key = settings.orders_prefix, settings.key(ORDERS_FEED_KEY)
    objects = list_objects(s3, settings.bucket, prefix)
    listing = (stored for stored in objects if is_delivery(stored, prefix))
    if full_refresh:
        changes = Changes(new=list(listing))
        return LoadPlan(newest, changes, [], feed_key, True, time.monotonic() - started)
    entries = (Entry(*row) for row in session.stream(sql.select_ledger(schema)))
    changes = compare(listing, entries)
    reloads: list[StoredObject] = []
    if changes.outdated:
        members = session.rows(sql.select_members(schema), (tuple(changes.outdated),))
        unchanged = siblings((Entry(*row) for row in members), changes.redelivered)
        present = _present(s3, settings, [entry.key for entry in unchanged])
        if keys := lost(unchanged, {key: stored.etag for key, stored in present.items()}):
            raise _would_lose_rows(settings, changes.redelivered, keys)
        reloads = list(present.values())
    return LoadPlan(newest, changes, reloads, feed_key, False, time.monotonic() - started)


def _present(s3: "S3Client", settings: Settings, keys: Sequence[str]) -> dict[str, StoredObject]:
    """Return, by key, the objects that S3 has now.

    A listing returns the same attributes as the plan's, and a missing key is not an error as it
    is for HEAD.
    """

    def find(key: str) -> StoredObject | None:
        # In the listing of a prefix, the key that equals the prefix comes first.
        return next(list_objects(s3, settings.bucket, key), None)

    with ThreadPoolExecutor(READERS) as pool:
        found = zip(keys, pool.map(find, keys), strict=True)
        return {key: stored for key, stored in found if stored and stored.key == key}


def _would_lose_rows(
    settings: Settings, redelivered: Sequence[StoredObject], keys: Sequence[str]
) -> DataError:
    verb, files, pronoun = (
        ("was", "that file", "it") if len(keys) == 1 else ("were", "those files", "them")
    )
    return DataError(
        "A file was redelivered, but replacing its rows would lose another file's rows.",
        where=", ".join(settings.uri(stored.key) for stored in redelivered),
        expected="The files that were loaded together with it are still on S3, unchanged.",
        found=f"{', '.join(map(settings.uri, keys))} {verb} deleted or changed.",
        fix=f"Restore {files} (a lifecycle rule may have archived {pronoun}) and run "
        "redshift_orders again. If these rows may be deleted, run redshift_orders with "
        "full_refresh: true.",
    )


def check_unchanged(members: Sequence[StoredObject], s3: "S3Client", settings: Settings) -> None:
    """Check that no delivery changed between listing and COPY.

    Raises:
        PlanOutdatedError: a delivery was replaced or deleted.
    """
    present = _present(s3, settings, [stored.key for stored in members])
    for stored in members:
        current = present.get(stored.key)
        if current is None or current.etag != stored.etag:
            uri = settings.uri(stored.key)
            raise PlanOutdatedError(f"{uri} was replaced or deleted during the load")
