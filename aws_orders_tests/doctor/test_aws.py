"""The AWS checks: identity, bucket, table, queue, topic, feeds."""

import os
from contextlib import closing

import boto3
import pytest

from aws_orders.doctor import aws
from aws_orders.doctor.checks import Status, diagnose
from aws_orders_tests import servers
from aws_orders_tests.conftest import Platform
from aws_orders_tests.doctor.conftest import diagnoses, missing
from laptop_aws.stack import Stack


def test_missing_resources_are_reported_with_the_setting_that_names_them(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ORDERS_BUCKET", "missing-bucket")
    monkeypatch.setenv("AWS_ORDERS_PRODUCTS_FEED", "/nowhere/products.csv")
    monkeypatch.setenv("AWS_ORDERS_ORDERS_QUEUE", f"{os.environ['AWS_ENDPOINT_URL']}/0/none")
    monkeypatch.setenv("REDSHIFT_SCHEMA", "missing_schema")
    found = diagnoses()
    assert "AWS_ORDERS_BUCKET" in missing(found)["bucket missing-bucket"].fix
    assert "REDSHIFT_SCHEMA" in missing(found)["warehouse: schema missing_schema"].fix
    assert (
        'CREATE SCHEMA "missing_schema";' in missing(found)["warehouse: schema missing_schema"].fix
    )
    assert "cannot be read" in missing(found)["products feed"].found
    (queue,) = [diagnosis for what, diagnosis in found.items() if what.startswith("queue")]
    assert "AWS_ORDERS_ORDERS_QUEUE" in queue.fix


def test_a_queue_and_a_topic_are_checked(stack: Stack) -> None:
    with closing(boto3.client("sqs")) as sqs, closing(boto3.client("sns")) as sns:
        url = sqs.create_queue(QueueName="examined")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="hello")
        arn = sns.create_topic(Name="examined")["TopicArn"]
    assert diagnose(aws.queue(url, aws.caller_identity())).found == "waiting messages: 1"
    assert diagnose(aws.topic(arn)).found == "subscriptions: 0"
    assert "AWS_ORDERS_ALERTS_TOPIC" in diagnose(aws.topic(arn + "-not")).fix


def test_a_table_with_another_key_is_missing(examined: Platform) -> None:
    examined.dynamodb.get_client().create_table(
        TableName=examined.settings.products_table,
        AttributeDefinitions=[{"AttributeName": "sku", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "sku", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    failed = missing(diagnoses())[f"table {examined.settings.products_table}"]
    assert failed.found.endswith("partition key sku (S)")
    assert "AWS_ORDERS_PRODUCTS_TABLE" in failed.fix


def test_denied_access_is_reported_with_the_action_and_the_resource(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers.aws() as denying:
        for service in ("S3", "DYNAMODB"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", denying.url)
        found = diagnoses()
    bucket, table = examined.bucket, examined.settings.products_table
    fixes = {what: diagnosis.fix for what, diagnosis in missing(found).items()}
    assert set(fixes) == {
        f"bucket {bucket}",
        "bucket: listing",
        "bucket: reading",
        f"table {table}",
        "table: reading",
    }
    assert f"Allow s3:ListBucket on arn:aws:s3:::{bucket} " in fixes["bucket: listing"]
    assert f"Allow s3:GetObject on arn:aws:s3:::{bucket}/* " in fixes["bucket: reading"]
    assert (
        f"dynamodb:Scan on arn:aws:dynamodb:us-east-1:000000000000:table/{table} "
        in fixes["table: reading"]
    )
    # The platform does not require these.
    assert found["bucket: versioned"].status is Status.WARN


def test_an_unreachable_aws_ends_the_checks(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    (failed,) = diagnoses().values()
    assert "Could not connect to the endpoint" in failed.found


@pytest.mark.parametrize("setting", ["REDSHIFT_REGION", "REDSHIFT_DATA_REGION"])
def test_data_in_another_region_than_copys_is_reported(
    examined: Platform, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    examined.refresh()
    monkeypatch.setenv(setting, "eu-west-1")
    failed = missing(diagnoses())
    assert failed[f"bucket {examined.bucket}"].fix == "Set REDSHIFT_DATA_REGION=us-east-1."
    table = failed[f"table {examined.settings.products_table}"]
    assert table.found == "it is in us-east-1"


@pytest.mark.parametrize(
    ("feed", "action", "resource"),
    [
        ("s3://other/a/b.csv", "s3:GetObject", "arn:aws:s3:::other/a/b.csv"),
        ("S3://other/a.csv", "s3:GetObject", "arn:aws:s3:::other/a.csv"),
        ("https://example.org/a.csv", "", ""),
        ("/data/a.csv", "", ""),
        ("s3://no-key", "", ""),
    ],
)
def test_a_feed_requires_an_action_only_if_it_is_on_s3(
    platform: Platform, feed: str, action: str, resource: str
) -> None:
    platform.change_settings(products_feed=feed, orders_feed="")
    (check,) = aws.feeds(platform.s3, platform.settings)
    assert (check.action, check.resource) == (action, resource)
