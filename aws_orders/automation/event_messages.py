"""Parses the messages of S3's event notifications: which deliveries they report. Pure.

A message comes from S3 directly, through an SNS topic, or from EventBridge.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from aws_orders.orders.deliveries import is_delivery
from aws_orders.resources.objects import StoredObject
from aws_orders.resources.settings import ORDERS_PREFIX


class Arrival(NamedTuple):
    """The arrival of a delivery; `sequencer` distinguishes arrivals of the same bytes."""

    key: str
    etag: str
    sequencer: str


def parse(
    body: str, bucket: str, reserved_key: str = "", prefix: str = ORDERS_PREFIX
) -> list[Arrival] | None:
    """Return the deliveries in `bucket` that a message reports.

    Args:
        body: The message.
        bucket: The platform's bucket.
        reserved_key: The key that the platform uploads, which would start a run after each run.
        prefix: The prefix of the deliveries.

    Returns:
        The arrivals; None if the message is not an event of S3.
    """
    try:
        arrivals = list(_arrivals(json.loads(body), bucket, prefix))
    except (ValueError, RecursionError):
        return None
    return [arrival for arrival in arrivals if arrival.key != reserved_key]


def _arrivals(event: Any, bucket: str, prefix: str) -> Iterator[Arrival]:
    match event:
        case {"Type": "Notification", "Message": str(message)}:  # wrapped by SNS
            yield from _arrivals(json.loads(message), bucket, prefix)
        case {"Records": [_, *_] as records}:
            for record in records:
                yield from _arrivals(record, bucket, prefix)
        # Events of deleted objects and changed storage classes have nothing to load.
        case {"eventName": str(name), "s3": about}:
            if "ObjectCreated:" in name:
                yield from _arrival(about, bucket, prefix, decode_key=unquote_plus)
        # EventBridge does not encode the key: "+" means "+".
        case {"detail-type": "Object Created", "detail": about}:
            yield from _arrival(about, bucket, prefix, decode_key=str)
        case {"Event": "s3:TestEvent"} | {"detail-type": str(), "source": "aws.s3"}:
            pass
        case _:
            raise ValueError("not an event of S3")


def _arrival(
    about: Any, bucket: str, prefix: str, decode_key: Callable[[str], str]
) -> Iterator[Arrival]:
    match about:
        case {"bucket": {"name": str(name)}, "object": {"key": str(encoded), **rest}}:
            key, size = decode_key(encoded), rest.get("size")
            stored = StoredObject(key, "", size if isinstance(size, int) else 1, datetime.min)
            if name == bucket and key.startswith(prefix) and is_delivery(stored, prefix):
                etag = rest.get("eTag", rest.get("etag", ""))
                yield Arrival(key, str(etag), str(rest.get("sequencer", "")))
        case _:
            raise ValueError("not an event of S3")
