"""Messages that `orders_queued` receives: deliveries, other objects, unknown texts."""

import json
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from aws_orders.automation.event_messages import Arrival, parse
from aws_orders.resources.settings import ORDERS_FEED_KEY, ORDERS_PREFIX, Settings
from aws_orders_tests.automation.conftest import Queue, replaced
from aws_orders_tests.automation.test_event_messages import event


@pytest.mark.parametrize(
    "name", ["a b.csv", "a+b.csv", "50%.csv", "%2B.csv", "Zürich_東京.csv.gz", "d/é &=?'.csv"]
)
def test_every_key_is_decoded(queue: Queue, name: str) -> None:
    queue.put(name)
    (message,) = queue.sqs.receive_message(QueueUrl=queue.url, VisibilityTimeout=0)["Messages"]
    (arrival,) = parse(message["Body"], queue.bucket) or [Arrival("", "", "")]
    etag = queue.s3.head_object(Bucket=queue.bucket, Key=arrival.key)["ETag"].strip('"')
    assert (arrival.key, arrival.etag) == (ORDERS_PREFIX + name, etag)
    assert arrival.sequencer
    assert queue.tick()


def test_objects_that_are_not_deliveries_request_no_run_and_their_messages_are_deleted(
    queue: Queue,
) -> None:
    queue.settings = Settings(**(dict(queue.settings) | {"orders_feed": "/orders.csv"}))
    queue.put("a.csv", prefix="output/")
    queue.put("a.csv", prefix="input/orders-old/")
    queue.put("a.txt")
    queue.put("empty.csv", b"")
    queue.put("", prefix=ORDERS_FEED_KEY)
    with queue.event_arrives():
        queue.s3.delete_object(Bucket=queue.bucket, Key="output/a.csv")
    queue.send(event("input/orders/a.csv", "another-bucket"))
    assert queue.left == 7
    assert queue.tick() is None
    assert queue.left == 0
    assert queue.warnings == []


def test_the_feeds_key_is_a_delivery_if_no_feed_is_configured(queue: Queue) -> None:
    queue.put("", prefix=ORDERS_FEED_KEY)
    assert queue.tick()


def test_a_multipart_upload_is_a_delivery(queue: Queue) -> None:
    place = {"Bucket": queue.bucket, "Key": "input/orders/large.csv"}
    upload = queue.s3.create_multipart_upload(**place)["UploadId"]
    part = queue.s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"x")
    assert queue.tick() is None
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    with queue.event_arrives():
        queue.s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
    assert queue.tick()


@pytest.mark.parametrize("raw", ["false", "true"])
def test_events_through_a_topic_are_understood(queue: Queue, raw: str) -> None:
    with closing(boto3.client("sns")) as sns:
        through_a_topic(queue, sns, raw)


def through_a_topic(queue: Queue, sns: Any, raw: str) -> None:
    topic = sns.create_topic(Name=queue.bucket)["TopicArn"]
    attributes = {"RawMessageDelivery": raw}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes=attributes)
    queue.notify(TopicConfigurations=[{"TopicArn": topic}])
    assert queue.left == 1  # the test event, wrapped
    assert queue.tick() is None
    assert queue.left == 0
    queue.put("a b.csv")
    assert queue.tick()
    assert queue.warnings == []
    sns.delete_topic(TopicArn=topic)


def test_an_unknown_message_is_moved_with_a_warning_and_blocks_nothing(queue: Queue) -> None:
    queue.put()
    queue.send("Hello, \U0001f600 queue!")
    assert queue.tick()
    queue.wait_for(2)  # the delivery's, until its run exists, and the copy's own
    listing = queue.s3.list_objects_v2(Bucket=queue.bucket, Prefix="dead-letter/orders_queued/")
    (stored,) = listing["Contents"]
    (warning,) = queue.warnings
    assert f"moved to s3://{queue.bucket}/{stored['Key']}" in warning
    assert "Hello" in warning
    copy = queue.s3.get_object(Bucket=queue.bucket, Key=stored["Key"])["Body"].read()
    assert json.loads(copy) == {"queue": queue.url, "body": "Hello, \U0001f600 queue!"}
    assert queue.tick() is None
    assert queue.left == 0
    assert len(queue.warnings) == 1


def test_an_unknown_message_stays_in_the_queue_if_its_copy_cannot_be_stored(queue: Queue) -> None:
    queue.send("Hello")
    queue.settings = replaced(queue.settings, bucket=f"{queue.bucket}-gone")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        queue.lost_tick()
    assert queue.left == 1
    assert queue.warnings == []


def test_a_key_that_is_not_valid_text_still_requests_a_run(queue: Queue) -> None:
    queue.send(json.dumps(event("input/orders/%ff.csv", queue.bucket, eTag="\ud800")))
    assert queue.tick()
