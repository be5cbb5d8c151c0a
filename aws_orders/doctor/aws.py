"""AWS's services, read-only: identity, bucket, table, queue, topic, feeds.

Each check makes a call that the platform makes, or reads a setting that is recommended. Writing is
tested in `live`.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from aws_orders.contract import PRODUCTS
from aws_orders.doctor.checks import Check, Problem, Status
from aws_orders.errors import DataError
from aws_orders.resources.aws_errors import record_resources
from aws_orders.resources.dynamodb import DynamoDBResource, check_key
from aws_orders.resources.feeds import open_feed
from aws_orders.resources.locations import S3Object, parse_location
from aws_orders.resources.s3 import find_object
from aws_orders.resources.settings import (
    DEAD_LETTERS_PREFIX,
    DETAILED_ORDERS_KEY,
    ORDERS_FEED_KEY,
    ORDERS_PREFIX,
    QUARANTINE_PREFIX,
    RAW_PRODUCTS_KEY,
    RUNS_PREFIX,
    UNMATCHED_ORDERS_KEY,
    Settings,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIXES = (
    RAW_PRODUCTS_KEY,
    ORDERS_PREFIX,
    DETAILED_ORDERS_KEY,
    UNMATCHED_ORDERS_KEY,
    QUARANTINE_PREFIX,
    RUNS_PREFIX,
    DEAD_LETTERS_PREFIX,
)
KEYS = (RAW_PRODUCTS_KEY, ORDERS_FEED_KEY, DETAILED_ORDERS_KEY, UNMATCHED_ORDERS_KEY)


@dataclass(frozen=True)
class Caller:
    """The caller's identity, account and region."""

    identity: str
    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.identity} in {self.region}"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in this account and region."""
        partition = self.identity.split(":")[1]
        return f"arn:{partition}:{service}:{self.region}:{self.account}:{resource}"


def caller_identity() -> Caller:
    """Return the caller's identity from STS, which requires no permission."""
    with closing(record_resources(boto3.client("sts"))) as sts:
        found = sts.get_caller_identity()
        return Caller(found["Arn"], found["Account"], sts.meta.region_name)


def bucket(s3: "S3Client", settings: Settings, copy_region: str) -> Iterator[Check]:
    """Check that the bucket exists, is readable, and has the recommended settings.

    Args:
        s3: The platform's client.
        settings: The bucket, and the prefix of its keys.
        copy_region: The region in which COPY and UNLOAD access it.
    """
    name = settings.bucket
    arn = f"arn:aws:s3:::{name}"
    prefixes, keys = list(map(settings.key, PREFIXES)), map(settings.key, KEYS)

    def exists() -> str | Problem:
        region = s3.head_bucket(Bucket=name).get("BucketRegion", "")
        if region and region != copy_region:
            return Problem(
                f"it is in {region}",
                f"the region in which COPY accesses it, {copy_region}",
                f"Set REDSHIFT_DATA_REGION={region}.",
            )
        return f"exists, in {region}" if region else "exists"

    def list_prefixes() -> str:
        for prefix in prefixes:
            s3.list_objects_v2(Bucket=name, Prefix=prefix, MaxKeys=1)
        return "allowed under " + ", ".join(prefixes)

    def read() -> str:
        # With the permission to list, S3 returns 404 for a missing key, and otherwise 403.
        existing = [key for key in keys if find_object(s3, name, key)]
        return "allowed; existing files: " + (", ".join(existing) or "none")

    missing = "Create the bucket, or correct AWS_ORDERS_BUCKET."
    yield Check(f"bucket {name}", exists, "s3:ListBucket", arn, missing)
    yield Check("bucket: listing", list_prefixes, "s3:ListBucket", arn, missing)
    yield Check("bucket: reading", read, "s3:GetObject", f"{arn}/*", missing)
    yield from _recommended(s3, name, arn)


def _recommended(s3: "S3Client", name: str, arn: str) -> Iterator[Check]:
    """Check the recommended settings, which the platform does not require."""

    def recommended(action: str, setting: str, is_set: Callable[[], bool], why: str) -> Check:
        unset = Problem("not set", setting, f"Set it on the bucket: {why}.", Status.WARN)

        def inspect() -> str | Problem:
            try:
                return setting if is_set() else unset
            except ClientError as error:
                # S3 returns these codes if the setting is absent.
                if "NotFound" in (code := error.response["Error"]["Code"]) or "NoSuch" in code:
                    return unset
                raise

        return Check(f"bucket: {setting}", inspect, action, arn, required=False)

    def versioned() -> bool:
        return s3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled"

    def encrypted() -> bool:
        return bool(s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"])

    def private() -> bool:
        block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        return len(block) == 4 and all(block.values())

    restore = "an overwritten delivery can then be restored"
    yield recommended("s3:GetBucketVersioning", "versioned", versioned, restore)
    yield recommended(
        "s3:GetEncryptionConfiguration", "encrypted", encrypted, "it holds personal data"
    )
    public = "no policy can then make it public"
    yield recommended("s3:GetBucketPublicAccessBlock", "public access blocked", private, public)


def table(
    dynamodb: DynamoDBResource, name: str, caller: Caller, copy_region: str
) -> Iterator[Check]:
    """Check the key of the products table, and that it is readable; it may not exist yet.

    `copy_region` is the region in which COPY accesses it.
    """
    client = dynamodb.get_client()
    arn = caller.arn("dynamodb", f"table/{name}")

    def describe() -> str | Problem:
        try:
            found = client.describe_table(TableName=name)["Table"]
        except client.exceptions.ResourceNotFoundException:
            return Problem(
                "it does not exist",
                "the table, or a first run that creates it",
                f"Allow dynamodb:CreateTable on {arn}: every run calls it.",
                Status.WARN,
            )
        if copy_region != client.meta.region_name:
            return Problem(
                f"it is in {client.meta.region_name}",
                f"the region in which COPY accesses it, {copy_region}",
                f"Set REDSHIFT_DATA_REGION={client.meta.region_name}, and use a bucket there.",
            )
        check_key(found, PRODUCTS.key)
        return f"{found['TableStatus']}, about {found['ItemCount']} items"

    def scan() -> str:
        try:
            client.scan(TableName=name, Limit=1, ConsistentRead=True)
        except client.exceptions.ResourceNotFoundException:
            return "it does not exist yet"
        return "allowed"

    yield Check(f"table {name}", describe, "dynamodb:DescribeTable", arn)
    yield Check("table: reading", scan, "dynamodb:Scan", arn)


def queue(url: str, caller: Caller) -> Check:
    """Check the queue that receives the bucket's events."""

    def inspect() -> str:
        with closing(record_resources(boto3.client("sqs"))) as sqs:
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return f"waiting messages: {answer['Attributes'].get('ApproximateNumberOfMessages', '?')}"

    arn = caller.arn("sqs", url.rpartition("/")[2])
    absent = "Create the queue, or correct AWS_ORDERS_ORDERS_QUEUE."
    # Not required: the platform receives and deletes messages, and reads no attributes.
    action = "sqs:GetQueueAttributes"
    return Check(f"queue {url}", inspect, action, arn, absent, required=False)


def topic(arn: str) -> Check:
    """Check the topic to which alerts are published."""

    def inspect() -> str:
        with closing(record_resources(boto3.client("sns"))) as sns:
            attributes: dict[str, Any] = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
        return f"subscriptions: {attributes.get('SubscriptionsConfirmed', '?')}"

    absent = "Create the topic, or correct AWS_ORDERS_ALERTS_TOPIC."
    # Not required: the platform publishes, and reads no attributes.
    return Check(f"topic {arn}", inspect, "sns:GetTopicAttributes", arn, absent, required=False)


def feeds(s3: "S3Client", settings: Settings) -> Iterator[Check]:
    """Check that the configured feeds can be opened."""

    def open_once(url: str) -> str:
        with open_feed(url, s3):
            return "can be opened"

    for name, url in (("products", settings.products_feed), ("orders", settings.orders_feed)):
        if url:
            arn = _object_arn(url)
            yield Check(f"{name} feed", partial(open_once, url), "s3:GetObject" if arn else "", arn)


def _object_arn(url: str) -> str:
    """Return the ARN of an object on S3; empty for other feeds and for invalid URLs."""
    try:
        location = parse_location(url)
    except DataError:  # opening the feed reports it
        return ""
    if isinstance(location, S3Object):
        return f"arn:aws:s3:::{location.bucket}/{location.key}"
    return ""
