"""The AWS calls that a process makes, by botocore's own events, and the permissions they need.

What each call needs: https://docs.aws.amazon.com/service-authorization/latest/reference/ and, for
S3, https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import boto3
import botocore
import pytest

from aws_orders_tests.deploy.cloudformation import ACCOUNT, PARTITION, REGION
from aws_orders_tests.deploy.iam import Need


class Call(NamedTuple):
    """A call of an AWS API."""

    service: str
    operation: str
    arguments: dict[str, Any]


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """Record the calls of every client that is made meanwhile, from whatever session."""
    calls: list[Call] = []

    def record(params: dict[str, Any], model: Any, **_: Any) -> None:
        # A copy: botocore's own handlers rewrite the arguments after this.
        arguments = {name: value for name, value in params.items() if name != "Body"}
        calls.append(Call(model.service_model.service_name, model.name, arguments))

    def watch(session: Any) -> None:
        session.register("provide-client-params.*.*", record)

    botocore.register_initializer(watch)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(boto3, "DEFAULT_SESSION", None)
            yield calls
    finally:
        botocore.unregister_initializer(watch)


def _object(bucket: str, key: str) -> str:
    return f"arn:{PARTITION}:s3:::{bucket}/{key}"


def _bucket(arguments: dict[str, Any]) -> str:
    return f"arn:{PARTITION}:s3:::{arguments['Bucket']}"


def _on_object(*actions: str) -> Callable[[dict[str, Any]], list[Need]]:
    return lambda a: [Need(action, _object(a["Bucket"], a["Key"])) for action in actions]


def _copy(arguments: dict[str, Any]) -> list[Need]:
    source = arguments["CopySource"]
    return [
        Need("s3:GetObject", _object(source["Bucket"], source["Key"])),
        *_on_object("s3:PutObject")(arguments),
    ]


def _head(arguments: dict[str, Any]) -> list[Need]:
    # A missing object is "not found" only to who may list, else "forbidden".
    return [*_on_object("s3:GetObject")(arguments), Need("s3:ListBucket", _bucket(arguments))]


def _delete(arguments: dict[str, Any]) -> list[Need]:
    keys = [entry["Key"] for entry in arguments["Delete"]["Objects"]]
    return [Need("s3:DeleteObject", _object(arguments["Bucket"], key)) for key in keys]


def _table(name: str) -> str:
    return f"arn:{PARTITION}:dynamodb:{REGION}:{ACCOUNT}:table/{name}"


def _on_table(action: str) -> Callable[[dict[str, Any]], list[Need]]:
    return lambda a: [Need(action, _table(a["TableName"]))]


def _on_queue(action: str) -> Callable[[dict[str, Any]], list[Need]]:
    def needs(arguments: dict[str, Any]) -> list[Need]:
        name = arguments["QueueUrl"].rpartition("/")[2]
        return [Need(action, f"arn:{PARTITION}:sqs:{REGION}:{ACCOUNT}:{name}")]

    return needs


# A call that is not here fails the test: look up what it needs, and add it.
NEEDS: dict[tuple[str, str], Callable[[dict[str, Any]], list[Need]]] = {
    ("s3", "HeadObject"): _head,
    ("s3", "GetObject"): _on_object("s3:GetObject"),
    ("s3", "PutObject"): _on_object("s3:PutObject"),
    ("s3", "CopyObject"): _copy,
    ("s3", "CreateMultipartUpload"): _on_object("s3:PutObject"),
    ("s3", "UploadPart"): _on_object("s3:PutObject"),
    ("s3", "UploadPartCopy"): _copy,
    ("s3", "CompleteMultipartUpload"): _on_object("s3:PutObject"),
    ("s3", "AbortMultipartUpload"): _on_object("s3:AbortMultipartUpload"),
    ("s3", "DeleteObjects"): _delete,
    ("s3", "ListObjectsV2"): lambda a: [Need("s3:ListBucket", _bucket(a))],
    ("dynamodb", "CreateTable"): _on_table("dynamodb:CreateTable"),
    ("dynamodb", "DescribeTable"): _on_table("dynamodb:DescribeTable"),
    ("dynamodb", "Scan"): _on_table("dynamodb:Scan"),
    ("dynamodb", "BatchWriteItem"): lambda a: [
        Need("dynamodb:BatchWriteItem", _table(name)) for name in a["RequestItems"]
    ],
    ("sqs", "ReceiveMessage"): _on_queue("sqs:ReceiveMessage"),
    ("sqs", "DeleteMessageBatch"): _on_queue("sqs:DeleteMessage"),
    ("sns", "Publish"): lambda a: [Need("sns:Publish", a["TopicArn"])],
}


def needs_of(calls: list[Call]) -> set[Need]:
    """Return all permissions that the calls need."""
    return {need for call in calls for need in NEEDS[call.service, call.operation](call.arguments)}
