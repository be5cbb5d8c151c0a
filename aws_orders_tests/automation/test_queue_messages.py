"""Messages that `orders_queued` receives: deliveries, other objects, unknown texts."""

import json
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from aws_orders.automation.s3_events import Arrival, parse
from aws_orders.config import ORDERS_FEED, ORDERS_PREFIX, Settings
from aws_orders_tests.automation.conftest import Watch, replaced
from aws_orders_tests.automation.test_event_messages import event


@pytest.mark.parametrize(
    "name", ["a b.csv", "a+b.csv", "50%.csv", "%2B.csv", "Zürich_東京.csv.gz", "d/é &=?'.csv"]
)
def test_any_name_arrives_as_it_is(watch: Watch, name: str) -> None:
    watch.put(name)
    (message,) = watch.sqs.receive_message(QueueUrl=watch.queue, VisibilityTimeout=0)["Messages"]
    (arrival,) = parse(message["Body"], watch.bucket) or [Arrival("", "", "")]
    etag = watch.s3.head_object(Bucket=watch.bucket, Key=arrival.key)["ETag"].strip('"')
    assert (arrival.key, arrival.etag) == (ORDERS_PREFIX + name, etag)
    assert arrival.sequencer
    assert watch.tick()


def test_what_is_no_delivery_of_ours_sets_nothing_off_and_goes_at_once(watch: Watch) -> None:
    watch.settings = Settings(**(dict(watch.settings) | {"orders_feed": "/orders.csv"}))
    watch.put("a.csv", prefix="output/")
    watch.put("a.csv", prefix="input/orders-old/")
    watch.put("a.txt")
    watch.put("empty.csv", b"")
    watch.put("", prefix=ORDERS_FEED)
    with watch.told_of():
        watch.s3.delete_object(Bucket=watch.bucket, Key="output/a.csv")
    watch.send(event("input/orders/a.csv", "another-bucket"))
    assert watch.left == 7
    assert watch.tick() is None
    assert watch.left == 0
    assert watch.warnings == []


def test_the_feeds_key_is_a_delivery_where_no_feed_is_configured(watch: Watch) -> None:
    watch.put("", prefix=ORDERS_FEED)
    assert watch.tick()


def test_a_large_upload_in_parts_is_a_delivery(watch: Watch) -> None:
    place = {"Bucket": watch.bucket, "Key": "input/orders/large.csv"}
    upload = watch.s3.create_multipart_upload(**place)["UploadId"]
    part = watch.s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"x")
    assert watch.tick() is None
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    with watch.told_of():
        watch.s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
    assert watch.tick()


@pytest.mark.parametrize("raw", ["false", "true"])
def test_an_event_may_come_by_way_of_a_topic(watch: Watch, raw: str) -> None:
    with closing(boto3.client("sns")) as sns:
        by_way_of_a_topic(watch, sns, raw)


def by_way_of_a_topic(watch: Watch, sns: Any, raw: str) -> None:
    topic = sns.create_topic(Name=watch.bucket)["TopicArn"]
    attributes = {"RawMessageDelivery": raw}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=watch.arn, Attributes=attributes)
    watch.notify(TopicConfigurations=[{"TopicArn": topic}])
    assert watch.left == 1  # the test event, wrapped
    assert watch.tick() is None
    assert watch.left == 0
    watch.put("a b.csv")
    assert watch.tick()
    assert watch.warnings == []
    sns.delete_topic(TopicArn=topic)


def test_an_unknown_message_is_set_aside_with_a_warning_and_holds_nothing_up(watch: Watch) -> None:
    watch.put()
    watch.send("Hello, \U0001f600 queue!")
    assert watch.tick()
    watch.wait_for(2)  # the delivery's, until its run exists, and the copy's own
    listing = watch.s3.list_objects_v2(Bucket=watch.bucket, Prefix="dead-letter/orders_queued/")
    (stored,) = listing["Contents"]
    (warning,) = watch.warnings
    assert f"moved to s3://{watch.bucket}/{stored['Key']}" in warning
    assert "Hello" in warning
    copy = watch.s3.get_object(Bucket=watch.bucket, Key=stored["Key"])["Body"].read()
    assert json.loads(copy) == {"queue": watch.queue, "body": "Hello, \U0001f600 queue!"}
    assert watch.tick() is None
    assert watch.left == 0
    assert len(watch.warnings) == 1


def test_an_unknown_message_stays_where_its_copy_cannot_be_stored(watch: Watch) -> None:
    watch.send("Hello")
    watch.settings = replaced(watch.settings, bucket=f"{watch.bucket}-gone")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        watch.look()
    assert watch.left == 1
    assert watch.warnings == []


def test_a_key_that_is_no_text_still_makes_a_run_key(watch: Watch) -> None:
    watch.send(json.dumps(event("input/orders/%ff.csv", watch.bucket, eTag="\ud800")))
    assert watch.tick()
