"""The AWS checks: identity, bucket, table, queue, topic, feeds."""

import os
from contextlib import closing

import boto3
import pytest

from aws_orders.doctor import aws
from aws_orders.doctor.findings import Status, carry_out
from aws_orders_tests import servers
from aws_orders_tests.conftest import Platform
from aws_orders_tests.doctor.conftest import findings, missing
from laptop_aws.stack import Stack


def test_what_is_not_there_is_told_with_the_setting_that_names_it(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ORDERS_BUCKET", "nobodys-bucket")
    monkeypatch.setenv("AWS_ORDERS_PRODUCTS_FEED", "/nowhere/products.csv")
    monkeypatch.setenv("AWS_ORDERS_ORDERS_QUEUE", f"{os.environ['AWS_ENDPOINT_URL']}/0/none")
    monkeypatch.setenv("REDSHIFT_SCHEMA", "nobodys")
    found = findings()
    assert "AWS_ORDERS_BUCKET" in missing(found)["bucket nobodys-bucket"].fix
    assert "REDSHIFT_SCHEMA" in missing(found)["warehouse: schema nobodys"].fix
    assert 'CREATE SCHEMA "nobodys";' in missing(found)["warehouse: schema nobodys"].fix
    assert "cannot be read" in missing(found)["products feed"].found
    (queue,) = [finding for what, finding in found.items() if what.startswith("queue")]
    assert "AWS_ORDERS_ORDERS_QUEUE" in queue.fix


def test_a_queue_and_a_topic_are_looked_at(stack: Stack) -> None:
    with closing(boto3.client("sqs")) as sqs, closing(boto3.client("sns")) as sns:
        url = sqs.create_queue(QueueName="examined")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="hello")
        arn = sns.create_topic(Name="examined")["TopicArn"]
    assert carry_out(aws.queue(url, aws.home())).found == "1 messages wait"
    assert carry_out(aws.topic(arn)).found == "0 subscriptions"
    assert "AWS_ORDERS_ALERTS_TOPIC" in carry_out(aws.topic(arn + "-not")).fix


def test_a_table_with_another_key_is_refused(examined: Platform) -> None:
    examined.dynamodb.get_client().create_table(
        TableName=examined.settings.products_table,
        AttributeDefinitions=[{"AttributeName": "sku", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "sku", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    failed = missing(findings())[f"table {examined.settings.products_table}"]
    assert failed.found.endswith("partition key sku (S)")
    assert "AWS_ORDERS_PRODUCTS_TABLE" in failed.fix


def test_what_aws_denies_is_told_with_the_action_and_what_to_allow_it_on(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers.aws() as denying:
        for service in ("S3", "DYNAMODB"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", denying.url)
        found = findings()
    bucket, table = examined.bucket, examined.settings.products_table
    told = {what: finding.fix for what, finding in missing(found).items()}
    assert set(told) == {
        f"bucket {bucket}",
        "bucket: listing",
        "bucket: reading",
        f"table {table}",
        "table: reading",
    }
    assert f"Allow s3:ListBucket on arn:aws:s3:::{bucket} " in told["bucket: listing"]
    assert f"Allow s3:GetObject on arn:aws:s3:::{bucket}/* " in told["bucket: reading"]
    assert (
        f"dynamodb:Scan on arn:aws:dynamodb:us-east-1:000000000000:table/{table} "
        in told["table: reading"]
    )
    # Of these the platform has no need.
    assert found["bucket: versioned"].status is Status.WARN


def test_an_aws_that_does_not_answer_ends_the_examination(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    (failed,) = findings().values()
    assert "Could not connect to the endpoint" in failed.found


@pytest.mark.parametrize("setting", ["REDSHIFT_REGION", "REDSHIFT_DATA_REGION"])
def test_data_in_another_region_than_copy_looks_in_is_told_of(
    examined: Platform, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    examined.refresh()
    monkeypatch.setenv(setting, "eu-west-1")
    failed = missing(findings())
    assert failed[f"bucket {examined.bucket}"].fix == "Set REDSHIFT_DATA_REGION=us-east-1."
    table = failed[f"table {examined.settings.products_table}"]
    assert table.found == "it is in us-east-1"
