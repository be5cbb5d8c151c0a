"""A tick of `orders_queued`: receives S3's event messages from SQS, and decides on a run.

For prefixes with too many objects to list at every tick. Messages only trigger a run; the ledger
decides what it loads, so duplicates, delays and order do not matter. One listing per day finds
deliveries whose message was lost.

Dagster creates a sensor's run after the sensor has returned. Only the next tick can see whether it
exists, and then deletes the messages that requested it. Until then the cursor holds their receipts;
if the cursor is lost, SQS delivers the messages again. `event_messages` parses the messages.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from aws_orders.automation.arrivals import EMPTY_DIGEST, listing_digest
from aws_orders.automation.cursors import read_cursor
from aws_orders.automation.event_messages import Arrival, parse
from aws_orders.resources.settings import DEAD_LETTERS_PREFIX, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    SQSClient = Any  # boto3's; stubs would add a package for two calls
    Message = Mapping[str, Any]

# At most 100 messages per tick, which bounds the cursor: a receipt has about 400 characters.
RECEIVE_CALLS, MESSAGES_PER_CALL = 10, 10
# Several ticks: a message must not become visible before the next tick.
VISIBILITY_SECONDS = 300
# With 0, SQS queries only some of its servers, and may return nothing from a queue with messages.
WAIT_SECONDS = 1
BODY_SHOWN = 200


class DailyListing(BaseModel, frozen=True):
    """A day's listing of all deliveries; by default, an empty one of the first possible day."""

    day: date = date.min
    digest: str = EMPTY_DIGEST


class QueueCursor(BaseModel, frozen=True):
    """The sensor's state between ticks; bounded, and harmless if it is lost.

    Attributes:
        run_key: The run that the last tick requested.
        receipts: The messages to delete when that run exists.
        pending_listing: The last listing, valid once that run exists.
        confirmed_listing: The last listing of which every change has its run.
    """

    run_key: str | None = None
    receipts: tuple[str, ...] = ()
    pending_listing: DailyListing = DailyListing()
    confirmed_listing: DailyListing = DailyListing()


@dataclass(frozen=True)
class QueueDecision:
    """The key of the run to request, or None; the new cursor; and the reason."""

    run_key: str | None
    cursor: str
    reason: str


@dataclass(frozen=True)
class _Received:
    """A tick's messages: the deliveries that they report, and the receipts of both kinds."""

    arrivals: Collection[Arrival]
    with_arrivals: Sequence[str]
    without_arrivals: Sequence[str]


def tick(
    sqs: "SQSClient",
    s3: "S3Client",
    settings: Settings,
    queue_url: str,
    cursor_text: str | None,
    now: datetime,
    was_requested: Callable[[str], bool],
    log_warning: Callable[[str], None],
) -> QueueDecision:
    """Receive messages, and request a run if they or the day's listing report a change.

    An error of the queue or the bucket fails the tick. The cursor stays, and SQS delivers the
    messages again.

    Args:
        sqs: The client of the queue.
        s3: The client of the bucket.
        settings: The bucket.
        queue_url: The queue.
        cursor_text: The previous tick's cursor.
        now: The current time, with its time zone.
        was_requested: Returns whether a run with this key exists.
        log_warning: Reports a message that is not an event of S3.
    """
    cursor = read_cursor(cursor_text, QueueCursor())
    requested = cursor.run_key is not None and was_requested(cursor.run_key)
    if requested:
        _delete(sqs, queue_url, cursor.receipts)
    # List before receiving: if listing fails, no message has become invisible.
    last = cursor.pending_listing if requested else cursor.confirmed_listing
    listing = last
    if last.day != (today := now.astimezone(UTC).date()):
        listing = DailyListing(day=today, digest=listing_digest(s3, settings))
    changed = listing.digest != last.digest

    received = _receive_arrivals(sqs, s3, settings, queue_url, log_warning)
    _delete(sqs, queue_url, received.without_arrivals)

    # The key includes the day: a return to an earlier day's deliveries is also a change.
    trigger = [listing.model_dump_json() if changed else None, sorted(received.arrivals)]
    digest = hashlib.sha256(json.dumps(trigger).encode()).hexdigest()
    run_key = digest if received.arrivals or changed else None
    new_cursor = QueueCursor(
        run_key=run_key,
        receipts=tuple(received.with_arrivals),
        pending_listing=listing,
        confirmed_listing=last if changed else listing,
    )
    reason = "New deliveries." if run_key else "No new deliveries."
    return QueueDecision(run_key, new_cursor.model_dump_json(), reason)


def _receive_arrivals(
    sqs: "SQSClient",
    s3: "S3Client",
    settings: Settings,
    queue_url: str,
    log_warning: Callable[[str], None],
) -> _Received:
    arrivals: set[Arrival] = set()
    with_arrivals, without_arrivals = list[str](), list[str]()
    for message in _receive(sqs, queue_url):
        parsed = parse(
            message["Body"], settings.bucket, settings.reserved_key, settings.orders_prefix
        )
        if parsed is None:
            log_warning(_store_dead_letter(s3, settings, queue_url, message))
        arrivals.update(parsed or ())
        (with_arrivals if parsed else without_arrivals).append(message["ReceiptHandle"])
    return _Received(arrivals, with_arrivals, without_arrivals)


def _receive(sqs: "SQSClient", queue_url: str) -> "list[Message]":
    messages: list[Message] = []
    for _ in range(RECEIVE_CALLS):
        answer = sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=MESSAGES_PER_CALL,
            VisibilityTimeout=VISIBILITY_SECONDS,
            WaitTimeSeconds=WAIT_SECONDS,
        )
        if not answer.get("Messages"):
            break
        messages += answer["Messages"]
    return messages


def _delete(sqs: "SQSClient", queue_url: str, receipts: Sequence[str]) -> None:
    """Delete messages. SQS keeps those whose receipt is too old, and delivers them again."""
    for first in range(0, len(receipts), MESSAGES_PER_CALL):
        batch = enumerate(receipts[first : first + MESSAGES_PER_CALL])
        entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in batch]
        sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)


def _store_dead_letter(
    s3: "S3Client", settings: Settings, queue_url: str, message: "Message"
) -> str:
    """Store a message that is not an event of S3; return a warning that names the object."""
    key, body = settings.key(f"{DEAD_LETTERS_PREFIX}{message['MessageId']}.json"), message["Body"]
    copy = json.dumps({"queue": queue_url, "body": body}).encode()
    s3.put_object(Bucket=settings.bucket, Key=key, Body=copy, ContentType="application/json")
    return (
        f"{queue_url}: A message is not an event of S3. It was moved to {settings.uri(key)}.\n"
        f"  found: {body!r:.{BODY_SHOWN}}\n"
        "  to do: Find out what sends to this queue. No delivery is lost: the daily listing "
        "finds all of them."
    )
