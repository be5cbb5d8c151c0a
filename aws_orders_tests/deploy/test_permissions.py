"""The roles of deploy/data.yaml, held against the calls that the platform really makes."""

import json
from typing import Any

import boto3
import pytest

from aws_orders.resources import s3 as s3_verbs
from aws_orders_tests.automation.test_sensors import (
    evaluate,
    orders_landed,
    orders_queued,
    products_changed,
)
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform
from aws_orders_tests.deploy.calls import needs_of, recorded
from aws_orders_tests.deploy.cloudformation import ACCOUNT, PARTITION, REGION, Template
from aws_orders_tests.deploy.iam import Need, allows, covers, named, statements
from laptop_aws.stack import Stack

SHARE = {"max_bad_share": 1.0}
PREFIX = "shop/"
FIVE_MIB = 5 * 1024**2
TOPIC = f"arn:{PARTITION}:sns:{REGION}:{ACCOUNT}:alerts"
WORKGROUP = f"arn:{PARTITION}:redshift-serverless:{REGION}:{ACCOUNT}:workgroup/1234"
# What the platform may do although no call here needs it: why.
UNUSED = {
    Need("s3:AbortMultipartUpload", "*"): "another place may break than the one that breaks here",
    Need("sns:Publish", TOPIC): "alerts, which runs on the laptop have no topic for",
    Need("redshift-serverless:GetCredentials", WORKGROUP): "the laptop's warehouse has a password",
}


def grants(policy: dict[str, Any]) -> set[Need]:
    return set(named(policy, "Allow"))


class Broken:
    """A feed that breaks off after its first part."""

    sent = 0

    def read(self, size: int = -1) -> bytes:
        self.sent += 1
        if self.sent > 1:
            raise OSError("the feed broke off")
        return b"x" * max(size, FIVE_MIB)


def exercise(platform: Platform, feeds: str) -> None:
    """Make the platform do all that it does with AWS: loads, changes, failures, sensors."""
    products, orders = f"s3://{feeds}/products.csv", f"s3://{feeds}/orders.csv"
    put = platform.s3.put_object
    put(Bucket=feeds, Key="products.csv", Body=PRODUCTS_CSV.encode())
    # Two parts; most rows are one order, said again.
    rows = ORDERS_CSV + "3,Olga,olga@example.org,9,1,1,1\n" * (2 * FIVE_MIB // 32)
    put(Bucket=feeds, Key="orders.csv", Body=rows.encode())
    platform.set_feeds(products, orders)
    platform.change_settings(prefix=PREFIX)
    platform.refresh()

    put(Bucket=feeds, Key="products.csv", Body=PRODUCTS_CSV.replace("3,", "4,").encode())
    put(Bucket=feeds, Key="orders.csv", Body=ORDERS_CSV.encode())
    platform.deliver("a.csv", ORDERS_CSV)
    platform.refresh()
    platform.deliver("a.csv", ORDERS_CSV.replace("Ada", "Zoe"))
    platform.refresh("refresh_orders", redshift_orders={"full_refresh": True})
    platform.deliver("bad.csv", ORDERS_CSV.replace("0.10", "ten"))
    assert "ten" in platform.fault("refresh_orders")
    platform.refresh("refresh_orders", redshift_orders={"on_bad_rows": "quarantine"} | SHARE)
    platform.deliver("bad.csv", ORDERS_CSV)
    platform.refresh("refresh_orders")

    queue = boto3.client("sqs").create_queue(QueueName=platform.bucket)["QueueUrl"]
    platform.change_settings(orders_queue=queue, watch_products_table=True)
    event = {"key": f"{platform.settings.orders_prefix}a.csv", "eTag": "e", "sequencer": "1"}
    record = {"s3": {"bucket": {"name": platform.bucket}, "object": event}}
    for body in (json.dumps({"Records": [{"eventName": "ObjectCreated:Put", **record}]}), "Hello"):
        boto3.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
    for sensor in (orders_landed, orders_queued, products_changed):
        evaluate(platform, sensor)

    s3 = s3_verbs.SharedS3Resource().get_client()
    key = platform.settings.key("_runs/broken/feed.csv")
    with pytest.raises(OSError, match="broke off"):
        s3_verbs.upload(s3, Broken(), platform.bucket, key)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:  # as for an output above 5 GB
        patch.setattr(s3_verbs, "MAX_COPY_BYTES", 0)
        platform.refresh("refresh_orders", redshift_orders={"full_refresh": True})


def data_template(name: str, **parameters: Any) -> Template:
    given = {
        "Vpc": "vpc-1",
        "Subnets": "subnet-1,subnet-2,subnet-3",
        "BucketName": name,
        "Prefix": PREFIX,
        "TableName": name,
        "ProductsFeed": f"s3://{name}-feeds/products.csv",
        "OrdersFeed": f"s3://{name}-feeds/orders.csv",
        "FeedObjects": ",".join(
            f"arn:{PARTITION}:s3:::{name}-feeds/{feed}.csv" for feed in ("products", "orders")
        ),
    }
    known = {
        "OrdersQueue.Arn": f"arn:{PARTITION}:sqs:{REGION}:{ACCOUNT}:{name}",
        "AlertsTopic": TOPIC,
        "Workgroup.Workgroup.WorkgroupArn": WORKGROUP,
    }
    return Template("data.yaml", given | parameters, known)


def platform_policy(template: Template) -> dict[str, Any]:
    document = template.of_type("AWS::IAM::ManagedPolicy")["PlatformPolicy"]["PolicyDocument"]
    assert isinstance(document, dict)
    return document


def test_the_platforms_role_may_do_what_it_does_and_nothing_else(
    stack: Stack, platform: Platform
) -> None:
    feeds = f"{platform.bucket}-feeds"
    platform.s3.create_bucket(Bucket=feeds)
    with recorded() as calls:
        exercise(platform, feeds)
    assert len({(call.service, call.operation) for call in calls}) >= 18
    # The exercise's own: the queue that the template would make.
    ours = [call for call in calls if call.operation not in ("CreateQueue", "SendMessage")]
    needed = needs_of(ours)
    policy = platform_policy(data_template(platform.bucket))
    missing = sorted(need for need in needed if not allows([policy], need))
    assert not missing
    unused = {g for g in grants(policy) if not any(covers(g, need) for need in needed)}
    reasons = {reason: {g for g in unused if covers(reason, g)} for reason in UNUSED}
    assert unused == set().union(*reasons.values())
    assert all(reasons.values()), f"a reason without need: {reasons}"


def test_the_warehouses_role_may_copy_and_unload_and_nothing_else() -> None:
    """FACTS: COPY lists and gets, UNLOAD lists, gets and puts, DynamoDB is described and scanned.

    https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-access-permissions.html
    """
    role = data_template("b").of_type("AWS::IAM::Role")["WarehouseRole"]
    (policy,) = [p["PolicyDocument"] for p in role["Policies"]]
    bucket, table = "arn:aws:s3:::b", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/b"
    assert grants(policy) == {
        Need("s3:ListBucket", bucket),
        Need("s3:GetObject", f"{bucket}/{PREFIX}input/orders/*"),
        Need("s3:GetObject", f"{bucket}/{PREFIX}_runs/*"),
        Need("s3:PutObject", f"{bucket}/{PREFIX}_runs/*"),
        Need("dynamodb:Scan", table),
        Need("dynamodb:DescribeTable", table),
    }
    (trust,) = statements(role["AssumeRolePolicyDocument"])
    assert trust["Principal"]["Service"] == [
        "redshift.amazonaws.com",
        "redshift-serverless.amazonaws.com",
    ]


def test_a_provisioned_cluster_is_entered_by_its_own_action() -> None:
    parameters = {"ExistingCluster": "c", "ExistingHost": "h", "Database": "d"}
    granted = grants(platform_policy(data_template("b", **parameters)))
    arn = f"arn:aws:redshift:{REGION}:{ACCOUNT}:dbname:c/d"
    assert Need("redshift:GetClusterCredentialsWithIAM", arn) in granted
    assert not {need for need in granted if need.action.startswith("redshift-serverless")}


def test_no_feed_on_s3_is_no_statement() -> None:
    granted = grants(platform_policy(data_template("b", FeedObjects="")))
    assert not {need for need in granted if "feeds" in need.resource}


@pytest.mark.parametrize("pattern", ["s3:*", "S3:getobject", "s3:Get*", "s3:?etObject"])
def test_the_evaluator_reads_patterns_as_iam_does(pattern: str) -> None:
    need = Need("s3:GetObject", "arn:aws:s3:::b/a/b.csv")
    allow = {"Effect": "Allow", "Action": pattern, "Resource": "arn:aws:s3:::b/a/*"}
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}
    assert allows([{"Statement": [allow]}], need)
    assert not allows([{"Statement": [allow]}, {"Statement": [deny]}], need)
    assert not allows([{"Statement": [allow]}], Need("s3:GetObject", "arn:aws:s3:::b/A/b.csv"))
    assert not allows([{"Statement": [{**allow, "Condition": {"Bool": {}}}]}], need)
