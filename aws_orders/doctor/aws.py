"""What AWS's services say, read-only: identity, bucket, table, queue, topic, feeds.

Each check calls what the platform calls, or reads a setting that a careful owner wants to have.
Writing cannot be tried without writing: that is `live`'s.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from aws_orders.config import (
    DETAILED_ORDERS_KEY,
    ORDERS_FEED_KEY,
    ORDERS_PREFIX,
    RAW_PRODUCTS_KEY,
    RUNS_PREFIX,
    Settings,
)
from aws_orders.contract import PRODUCTS
from aws_orders.doctor.findings import Check, Status, Trouble
from aws_orders.resources.aws_errors import name_places
from aws_orders.resources.dynamodb import DynamoDBResource, check_key
from aws_orders.resources.feeds import open_feed
from aws_orders.resources.s3 import find_object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIXES = ("raw/", ORDERS_PREFIX, "output/", RUNS_PREFIX)
KEYS = (RAW_PRODUCTS_KEY, ORDERS_FEED_KEY, DETAILED_ORDERS_KEY)


@dataclass(frozen=True)
class Home:
    """Who the platform is to AWS, and where it finds its own."""

    identity: str
    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.identity} in {self.region}"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in this account and region."""
        partition = self.identity.split(":")[1]
        return f"arn:{partition}:{service}:{self.region}:{self.account}:{resource}"


def home() -> Home:
    """Ask AWS who we are, which needs no permission."""
    with closing(name_places(boto3.client("sts"))) as sts:
        caller = sts.get_caller_identity()
        return Home(caller["Arn"], caller["Account"], sts.meta.region_name)


def bucket(s3: "S3Client", name: str, copy_region: str) -> Iterator[Check]:
    """Check that the bucket is there, readable, and kept as such a bucket should be.

    Args:
        s3: The platform's client.
        name: The bucket.
        copy_region: The region in which COPY and UNLOAD look for it.
    """
    arn = f"arn:aws:s3:::{name}"

    def there() -> str | Trouble:
        region = s3.head_bucket(Bucket=name).get("BucketRegion", "")
        if region and region != copy_region:
            return Trouble(
                f"it is in {region}",
                f"the region in which COPY looks for it, {copy_region}",
                f"Set REDSHIFT_DATA_REGION={region}.",
            )
        return f"there, in {region}" if region else "there"

    def list_prefixes() -> str:
        for prefix in PREFIXES:
            s3.list_objects_v2(Bucket=name, Prefix=prefix, MaxKeys=1)
        return "allowed under " + ", ".join(PREFIXES)

    def read() -> str:
        # For one who may list, S3 tells "not there" (404) from "not yours" (403).
        there = [key for key in KEYS if find_object(s3, name, key)]
        return "allowed; there are " + (", ".join(there) or "no files yet")

    missing = "Create the bucket, or correct AWS_ORDERS_BUCKET."
    yield Check(f"bucket {name}", there, "s3:ListBucket", arn, missing)
    yield Check("bucket: listing", list_prefixes, "s3:ListBucket", arn, missing)
    yield Check("bucket: reading", read, "s3:GetObject", f"{arn}/*", missing)
    yield from _advisable(s3, name, arn)


def _advisable(s3: "S3Client", name: str, arn: str) -> Iterator[Check]:
    """Check what the platform works without, and an owner should not."""

    def advised(action: str, setting: str, is_set: Callable[[], bool], why: str) -> Check:
        unset = Trouble("it is not", setting, f"Set it on the bucket: {why}.", Status.WARN)

        def look() -> str | Trouble:
            try:
                return setting if is_set() else unset
            except ClientError as error:
                # S3's way to say that nothing is set.
                if "NotFound" in (code := error.response["Error"]["Code"]) or "NoSuch" in code:
                    return unset
                raise

        return Check(f"bucket: {setting}", look, action, arn, needed=False)

    def versioned() -> bool:
        return s3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled"

    def encrypted() -> bool:
        return bool(s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"])

    def private() -> bool:
        block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        return len(block) == 4 and all(block.values())

    restore = "a delivery overwritten by mistake can then be restored"
    yield advised("s3:GetBucketVersioning", "versioned", versioned, restore)
    yield advised("s3:GetEncryptionConfiguration", "encrypted", encrypted, "it holds customers")
    public = "no policy can then open it to the world"
    yield advised("s3:GetBucketPublicAccessBlock", "public access blocked", private, public)


def table(dynamodb: DynamoDBResource, name: str, where: Home, copy_region: str) -> Iterator[Check]:
    """Check that the products table is keyed as it must be and readable; there may be none yet.

    `copy_region` is the region in which COPY looks for it.
    """
    client = dynamodb.get_client()
    arn = where.arn("dynamodb", f"table/{name}")

    def describe() -> str | Trouble:
        try:
            found = client.describe_table(TableName=name)["Table"]
        except client.exceptions.ResourceNotFoundException:
            return Trouble(
                "there is none",
                "the table, or that the first run creates it",
                f"Nothing, if dynamodb:CreateTable is allowed on {arn}; else create it.",
                Status.WARN,
            )
        if copy_region != client.meta.region_name:
            return Trouble(
                f"it is in {client.meta.region_name}",
                f"the region in which COPY looks for it, {copy_region}",
                f"Set REDSHIFT_DATA_REGION={client.meta.region_name}, and have the bucket there.",
            )
        check_key(found, PRODUCTS.key)
        return f"{found['TableStatus']}, some {found['ItemCount']} items"

    def scan() -> str:
        try:
            client.scan(TableName=name, Limit=1, ConsistentRead=True)
        except client.exceptions.ResourceNotFoundException:
            return "nothing to read yet"
        return "allowed"

    yield Check(f"table {name}", describe, "dynamodb:DescribeTable", arn)
    yield Check("table: reading", scan, "dynamodb:Scan", arn)


def queue(url: str, where: Home) -> Check:
    """Check the queue that the bucket's events go to."""

    def look() -> str:
        with closing(name_places(boto3.client("sqs"))) as sqs:
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return f"{answer['Attributes'].get('ApproximateNumberOfMessages', '?')} messages wait"

    arn = where.arn("sqs", url.rpartition("/")[2])
    absent = "Create the queue, or correct AWS_ORDERS_ORDERS_QUEUE."
    # The platform receives and deletes; it asks for no attributes.
    action = "sqs:GetQueueAttributes"
    return Check(f"queue {url}", look, action, arn, absent, needed=False)


def topic(arn: str) -> Check:
    """Check the topic that alerts go to."""

    def look() -> str:
        with closing(name_places(boto3.client("sns"))) as sns:
            attributes: dict[str, Any] = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
        return f"{attributes.get('SubscriptionsConfirmed', '?')} subscriptions"

    absent = "Create the topic, or correct AWS_ORDERS_ALERTS_TOPIC."
    # The platform publishes; it asks for no attributes.
    return Check(f"topic {arn}", look, "sns:GetTopicAttributes", arn, absent, needed=False)


def feeds(s3: "S3Client", settings: Settings) -> Iterator[Check]:
    """Check that the feeds that are configured open."""

    def opens(url: str) -> str:
        with open_feed(url, s3):
            return "opens"

    for name, url in (("products", settings.products_feed), ("orders", settings.orders_feed)):
        if url:
            uri = url.removeprefix("s3://")
            arn = f"arn:aws:s3:::{uri}"
            yield Check(f"{name} feed", partial(opens, url), "s3:GetObject", arn)
