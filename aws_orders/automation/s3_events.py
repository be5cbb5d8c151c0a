"""Deliveries told of by messages: what S3's event notifications in an SQS queue ask for.

For prefixes too long to list at every tick. A message only says *that* something arrived; the
ledger decides what a run loads. So messages may come late, twice and in any order, and a listing
once a day makes up for those that never came. Dagster makes a sensor's runs after the sensor has
returned: only the next tick can tell whether there is one, and deletes the messages that asked
for it. Until then the cursor has their receipts; if it gets lost, SQS shows the messages again.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

from pydantic import BaseModel, ValidationError

from aws_orders.automation.arrivals import NOTHING, listing_digest
from aws_orders.config import ORDERS_PREFIX, Settings
from aws_orders.orders.deliveries import is_delivery
from aws_orders.resources.objects import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    SQSClient = Any  # boto3's; its stubs would be one package more, for two calls
    Message = Mapping[str, Any]

# A tick takes up at most 100 messages, which bounds the cursor: a receipt has some 400 characters.
CALLS, MESSAGES_A_CALL = 10, 10
# Several ticks long: a message must not come back before the tick after its own.
VISIBILITY_SECONDS = 300
# Not 0: SQS would ask only some of its servers, and may say "none" where there are messages.
WAIT_SECONDS = 1
DEAD_LETTERS_PREFIX, BODY_SHOWN = "dead-letter/orders_queued/", 200


class Arrival(NamedTuple):
    """One delivery's arrival; `sequencer` tells a key's arrivals apart, even of the same bytes."""

    key: str
    etag: str
    sequencer: str


class Listing(BaseModel, frozen=True):
    """A day's listing of all deliveries; by default, of none on a day long past."""

    day: date = date.min
    digest: str = NOTHING


class Cursor(BaseModel, frozen=True):
    """What a tick leaves to the next: bounded, and without harm if lost."""

    run_key: str | None = None  # the run that the tick asked for
    receipts: tuple[str, ...] = ()  # the messages to delete once that run exists
    listing: Listing = Listing()  # the last listing, once that run exists,
    settled: Listing = Listing()  # and until then


@dataclass(frozen=True)
class Decision:
    """What a tick comes to: a run to ask for, or None, the cursor to keep, and why."""

    run_key: str | None
    cursor: str
    reason: str


def parse(body: str, bucket: str, reserved_key: str = "") -> list[Arrival] | None:
    """Return the deliveries in `bucket` that an event of S3, SNS or EventBridge reports.

    Args:
        body: The message.
        bucket: The platform's bucket.
        reserved_key: The platform's own upload, which would start a run after each run.

    Returns:
        The arrivals; None where the message is no such event.
    """
    try:
        found = list(_arrivals(json.loads(body), bucket))
        return [arrival for arrival in found if arrival.key != reserved_key]
    except (ValueError, RecursionError):
        return None


def _arrivals(event: Any, bucket: str) -> Iterator[Arrival]:
    match event:
        case {"Type": "Notification", "Message": str(message)}:  # SNS's wrapping
            yield from _arrivals(json.loads(message), bucket)
        case {"Records": [_, *_] as records}:
            for record in records:
                yield from _arrivals(record, bucket)
        # Nothing is to be loaded where an object goes or changes its storage class.
        case {"eventName": str(name), "s3": about}:
            if "ObjectCreated:" in name:
                yield from _arrival(about, bucket, decode_key=unquote_plus)
        # EventBridge's form. S3 leaves the key as it is there: a "+" is a "+".
        case {"detail-type": "Object Created", "detail": about}:
            yield from _arrival(about, bucket, decode_key=str)
        case {"Event": "s3:TestEvent"} | {"detail-type": str(), "source": "aws.s3"}:
            pass
        case _:
            raise ValueError("no event of S3")


def _arrival(about: Any, bucket: str, decode_key: Callable[[str], str]) -> Iterator[Arrival]:
    match about:
        case {"bucket": {"name": str(name)}, "object": {"key": str(encoded), **rest}}:
            key, size = decode_key(encoded), rest.get("size")
            stored = StoredObject(key, "", size if isinstance(size, int) else 1, datetime.min)
            if name == bucket and key.startswith(ORDERS_PREFIX) and is_delivery(stored):
                etag = rest.get("eTag", rest.get("etag", ""))
                yield Arrival(key, str(etag), str(rest.get("sequencer", "")))
        case _:
            raise ValueError("no event of S3")


def tick(
    sqs: "SQSClient",
    s3: "S3Client",
    settings: Settings,
    queue_url: str,
    cursor_text: str | None,
    now: datetime,
    was_requested: Callable[[str], bool],
    log_warning: Callable[[str], None],
) -> Decision:
    """Take up waiting messages, and say whether they, or the day's listing, ask for a run.

    `was_requested` tells whether a run with this key exists; `now` has its time zone. Whatever
    the queue or the bucket raises fails the tick: with the old cursor, all of it comes again.
    """
    cursor = _read(cursor_text)
    requested = cursor.run_key is not None and was_requested(cursor.run_key)
    if requested:
        _delete(sqs, queue_url, cursor.receipts)
    # Before messages are taken up: a listing that fails must not hide them.
    listing = last = cursor.listing if requested else cursor.settled
    if last.day != (today := now.astimezone(UTC).date()):
        listing = Listing(day=today, digest=listing_digest(s3, settings))
    changed = listing.digest != last.digest

    arrivals: set[Arrival] = set()
    asking, idle = list[str](), list[str]()
    for message in _receive(sqs, queue_url):
        told = parse(message["Body"], settings.bucket, settings.reserved_key)
        if told is None:
            log_warning(_set_aside(s3, settings, queue_url, message))
        arrivals.update(told or ())
        (asking if told else idle).append(message["ReceiptHandle"])
    _delete(sqs, queue_url, idle)

    # The day counts: back to an earlier day's deliveries is a change, too.
    asked_by = [listing.model_dump_json() if changed else None, sorted(arrivals)]
    digest = hashlib.sha256(json.dumps(asked_by).encode()).hexdigest()
    run_key = digest if arrivals or changed else None
    settled = last if changed else listing
    cursor = Cursor(run_key=run_key, receipts=tuple(asking), listing=listing, settled=settled)
    reason = f"{len(arrivals)} deliveries were told of; the day's listing is new: {changed}."
    return Decision(run_key, cursor.model_dump_json(), reason)


def _read(text: str | None) -> Cursor:
    try:
        return Cursor.model_validate_json(text or "{}")
    except ValidationError:  # somebody else's text: the deliveries are listed afresh
        return Cursor()


def _receive(sqs: "SQSClient", queue_url: str) -> "list[Message]":
    messages: list[Message] = []
    for _ in range(CALLS):
        answer = sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=MESSAGES_A_CALL,
            VisibilityTimeout=VISIBILITY_SECONDS,
            WaitTimeSeconds=WAIT_SECONDS,
        )
        if not answer.get("Messages"):
            break
        messages += answer["Messages"]
    return messages


def _delete(sqs: "SQSClient", queue_url: str, receipts: Sequence[str]) -> None:
    """Delete messages; those that SQS keeps, as for a receipt too old, come again, harmlessly."""
    for first in range(0, len(receipts), MESSAGES_A_CALL):
        batch = enumerate(receipts[first : first + MESSAGES_A_CALL])
        entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in batch]
        sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)


def _set_aside(s3: "S3Client", settings: Settings, queue_url: str, message: "Message") -> str:
    """Store a message that is not understood; return a warning that says where."""
    key, body = f"{DEAD_LETTERS_PREFIX}{message['MessageId']}.json", message["Body"]
    copy = json.dumps({"queue": queue_url, "body": body}).encode()
    s3.put_object(Bucket=settings.bucket, Key=key, Body=copy, ContentType="application/json")
    return (
        f"{queue_url}: A message is no event of S3; it was moved to {settings.uri(key)}.\n"
        f"  found: {body!r:.{BODY_SHOWN}}\n"
        "  to do: See who writes to this queue. No delivery is lost: one is listed within a day."
    )
