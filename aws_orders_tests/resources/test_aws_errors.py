"""AWS's errors: each is reported with its resource, a sentence and a fix."""

import ast
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    SSLError,
    TokenRetrievalError,
)

import aws_orders
from aws_orders.errors import DataError, TransientError
from aws_orders.resources.aws_advice import BY_CODE, REQUEST, Advice
from aws_orders.resources.aws_errors import explained, explained_by_redshift, record_resources
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.s3 import SharedS3Resource
from aws_orders_tests import servers
from aws_orders_tests.conftest import Platform

PACKAGE = Path(aws_orders.__file__).parent
SERVICES = ["s3", "dynamodb", "sqs", "sns", "redshift", "redshift-serverless", "secretsmanager"]
# Errors of S3 that are not in its service model, from the page that lists them, and of all
# services: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
S3_PAGE = """AccessDenied AccountProblem AllAccessDisabled AuthorizationHeaderMalformed
AuthorizationQueryParametersError BadDigest ConditionalRequestConflict EntityTooLarge
EntityTooSmall ExpiredToken IllegalLocationConstraintException IncompleteBody InternalError
InvalidAccessKeyId InvalidArgument InvalidBucketName InvalidBucketState InvalidDigest
InvalidEncryptionAlgorithmError InvalidObjectState InvalidPart InvalidPartOrder InvalidPayer
InvalidRange InvalidRequest InvalidSecurity InvalidStorageClass InvalidToken InvalidURI
KMS.DisabledException KMS.InvalidKeyUsageException KMS.KMSInvalidStateException
KMS.NotFoundException KeyTooLongError MalformedXML MaxMessageLengthExceeded MetadataTooLarge
MethodNotAllowed MissingContentLength MissingSecurityHeader NoSuchBucket NoSuchKey NoSuchUpload
NoSuchVersion NotImplemented NotSignedUp OperationAborted PermanentRedirect PreconditionFailed
Redirect RequestTimeTooSkewed RequestTimeout ServiceUnavailable SignatureDoesNotMatch SlowDown
TemporaryRedirect TokenRefreshRequired TooManyParts UnexpectedContent 301 400 403 404 412 500 503"""
COMMON = """AccessDeniedException ExpiredTokenException IncompleteSignature InternalFailure
InvalidClientTokenId InvalidSignatureException MissingAuthenticationToken OptInRequired
RequestExpired ServiceUnavailable ThrottlingException UnrecognizedClientException
ValidationException ValidationError SerializationException UnknownOperationException"""


def called() -> Iterator[tuple[str, str, list[str]]]:
    """Yield service, call and modelled error codes of each call in the package's source."""
    names = set()
    for path in PACKAGE.rglob("*.py"):
        if "local" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute):
                    names.add(node.attr)
    session = botocore.session.get_session()
    for service in SERVICES:
        model = session.get_service_model(service)
        for name in model.operation_names:
            if xform_name(name) in names:
                shapes = model.operation_model(name).error_shapes
                codes = [shape.error_code for shape in shapes]  # type: ignore[attr-defined]
                yield service, name, codes


CALLS = {f"{service} {name}": codes for service, name, codes in called()}
CODES = sorted({*S3_PAGE.split(), *COMMON.split(), *(c for codes in CALLS.values() for c in codes)})


def error(code: str, message: str = "", status: int = 400, **about: str) -> ClientError:
    fields: Any = {"Code": code, "Message": message, "Place": "s3://b/k", "Action": "s3:X", **about}
    answer: Any = {"Error": fields, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetObject")


def test_the_calls_in_the_source_are_found() -> None:
    assert {"s3 GetObject", "s3 UploadPartCopy", "dynamodb BatchWriteItem"} <= CALLS.keys()
    assert {"sqs ReceiveMessage", "sns Publish", "secretsmanager GetSecretValue"} <= CALLS.keys()
    assert "redshift-serverless GetCredentials" in CALLS


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_sentence_and_a_fix(code: str) -> None:
    assert code in BY_CODE or code.startswith("KMS.")
    found = explained(error(code, "why"))
    assert found.what.endswith(".")
    assert " " in found.what
    assert found.where == "s3://b/k"
    assert found.found.startswith(f"{code}: why")
    assert len(found.fix) > 30
    assert "{" not in found.fix + found.expected


def test_an_unknown_code_has_a_fix() -> None:
    assert explained(error("Novel")).what == REQUEST.what
    assert isinstance(explained(error("Novel", status=503)), TransientError)
    assert explained(error("Novel", status=403)).what == "AWS denies access."


@pytest.mark.parametrize(
    ("code", "message", "status", "words"),
    [
        ("AccessDenied", "…not authorized to perform: kms:Decrypt on…", 403, "the KMS key"),
        ("AccessDenied", "Access Denied", 403, "Allow s3:X on s3://b/k"),
        ("AccessDenied", "Access Denied", 403, "another account"),
        ("KMS.DisabledException", "", 400, "Enable the key"),
        ("InvalidObjectState", "", 403, "aws s3api restore-object"),
        ("NoSuchBucket", "", 404, "AWS_ORDERS_BUCKET"),
        ("PermanentRedirect", "", 301, "AWS_DEFAULT_REGION"),
        ("InvalidSignatureException", "Signature expired: 2026…", 400, "clock"),
        ("RequestTimeTooSkewed", "", 403, "clock"),
        ("ExpiredToken", "", 400, "aws sts get-caller-identity"),
    ],
)
def test_the_fix_matches_the_cause(code: str, message: str, status: int, words: str) -> None:
    found = explained(error(code, message, status))
    assert isinstance(found, DataError)
    assert words in str(found)


def test_a_wrong_region_names_the_right_one() -> None:
    malformed = error("AuthorizationHeaderMalformed", Region="eu-west-1", ClientRegion="us-east-1")
    assert "it is in eu-west-1" in str(explained(malformed))
    assert "us-east-1" in explained(malformed).expected


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("SlowDown", 503),
        ("ThrottlingException", 400),
        ("OperationAborted", 409),
        ("500", 500),
        ("RequestTimeout", 400),
        ("ProvisionedThroughputExceededException", 400),
    ],
)
def test_transient_errors_stay_transient(code: str, status: int) -> None:
    assert isinstance(explained(error(code, status=status)), TransientError)


def test_a_signature_is_not_shown() -> None:
    message = "Authorization=AWS4 Credential=AKIA/2026/s3, Signature=c0ffee, Host=b"
    assert "c0ffee" not in str(explained(error("IncompleteSignature", message)))
    assert "AKIA" not in str(explained(error("IncompleteSignature", message)))


@pytest.mark.parametrize(
    ("raised", "transient"),
    [
        (NoCredentialsError(), False),
        (NoRegionError(), False),
        (ProfileNotFound(profile="p"), False),
        (TokenRetrievalError(provider="sso", error_msg="e"), False),
        (SSLError(endpoint_url="https://e", error=Exception("e")), False),
        (EndpointConnectionError(endpoint_url="https://e"), True),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), True),
    ],
)
def test_errors_before_any_response_have_a_fix(raised: BotoCoreError, transient: bool) -> None:
    found = explained(raised, "s3://b/k")
    assert isinstance(found, TransientError if transient else DataError)
    assert found.where == "s3://b/k"
    assert len(found.fix) > 20


def test_an_error_of_s3_inside_copy_is_explained() -> None:
    text = "S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 1,CanRetry 1"
    found = explained_by_redshift(text)
    assert found
    assert "REDSHIFT_IAM_ROLE" in str(found)
    assert explained_by_redshift("S3ServiceException:Slow,Status 503,Error SlowDown") is None
    assert explained_by_redshift("syntax error") is None


@pytest.mark.parametrize(
    ("service", "call", "parameters", "place"),
    [
        ("s3", "get_object", {"Bucket": "b", "Key": "k#?"}, "s3://b/k#?"),
        ("s3", "head_object", {"Bucket": "b", "Key": "k"}, "s3://b/k"),
        ("s3", "list_objects_v2", {"Bucket": "b", "Prefix": "p/"}, "s3://b/p/"),
        (
            "s3",
            "copy_object",
            {"Bucket": "b", "Key": "k", "CopySource": {"Bucket": "o", "Key": "s"}},
            "s3://b/k (a copy of s3://o/s)",
        ),
        ("dynamodb", "scan", {"TableName": "t"}, "DynamoDB table t"),
        ("sqs", "receive_message", {"QueueUrl": "http://q/1/n"}, "SQS queue http://q/1/n"),
        ("sns", "publish", {"TopicArn": "arn:x", "Message": "m"}, "SNS topic arn:x"),
        (
            "redshift-serverless",
            "get_workgroup",
            {"workgroupName": "www"},
            "Redshift Serverless workgroup www",
        ),
        ("redshift", "describe_clusters", {"ClusterIdentifier": "c"}, "Redshift cluster c"),
        ("secretsmanager", "get_secret_value", {"SecretId": "s"}, "secret s"),
    ],
)
def test_an_error_names_the_resource_of_the_call(
    service: str, call: str, parameters: dict[str, Any], place: str
) -> None:
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    with servers.aws() as fake:
        client: Any = boto3.client(service, endpoint_url=fake.url, **keys)  # type: ignore[call-overload]
        with closing(record_resources(client)), pytest.raises(ClientError) as caught:
            getattr(client, call)(**parameters)
    found = explained(caught.value)
    assert found.where == place
    assert isinstance(found, DataError)


def test_every_client_of_the_platform_records_the_resource(platform: Platform) -> None:
    clients = [SharedS3Resource().get_client(), platform.dynamodb.get_client()]
    clients.append(RedshiftResource(database="d", region_name="us-east-1").aws_client("redshift"))
    for client in clients:
        emitter = client.meta.events._emitter  # type: ignore[attr-defined]
        handlers = emitter._handlers.prefix_search("after-call")
        assert any("record_resources" in repr(handler) for handler in handlers)
    # Code that creates a client elsewhere wraps it at that place.
    for path in PACKAGE.rglob("*.py"):
        code = path.read_text()
        wrapped = re.findall(r"record_resources\(\s*boto3\.client\(", code)
        assert len(wrapped) == code.count("boto3.client("), str(path)


@pytest.mark.parametrize("keys", ["product_id:S", "id:N", "product_id:N,brand:S", "Product_id:N"])
def test_a_table_with_another_key_is_named_with_its_key(platform: Platform, keys: str) -> None:
    pairs = [key.split(":") for key in keys.split(",")]
    table = platform.settings.products_table
    platform.dynamodb.get_client().create_table(
        TableName=table,
        KeySchema=[
            {"AttributeName": name, "KeyType": role}  # type: ignore[typeddict-item]
            for (name, _), role in zip(pairs, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind}  # type: ignore[typeddict-item]
            for name, kind in pairs
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    text = platform.fault("refresh_products")
    assert f"DynamoDB table {table}: The DynamoDB table has the wrong key" in text
    assert all(f"{name} ({kind})" in text for name, kind in pairs)
    assert "AWS_ORDERS_PRODUCTS_TABLE" in text
    # Follow the advice:
    platform.change_settings(products_table=f"{table}-2")
    platform.refresh("refresh_products")


def test_items_of_other_writers_are_replaced_or_deleted(platform: Platform) -> None:
    platform.refresh("refresh_products")
    others: list[dict[str, Any]] = [
        {"product_id": {"N": "1"}, "product_name": {"L": [{"S": "x"}]}, "brand": {"BOOL": True}},
        {"product_id": {"N": "99.5"}, "stray": {"NULL": True}},
    ]
    for item in others:
        platform.dynamodb.get_client().put_item(
            TableName=platform.settings.products_table, Item=item
        )
    found = platform.refresh("refresh_products")["dynamodb_products"]
    assert (found["written"], found["deleted"]) == (1, 1)
    assert platform.items()["1"]["product_name"] == "Kettle"


def test_an_archived_delivery_that_was_never_loaded_is_named(platform: Platform) -> None:
    platform.refresh()
    platform.deliver("good.csv", platform.read("input/orders/feed.csv"))
    platform.s3.put_object(
        Bucket=platform.bucket,
        Key="input/orders/old.csv",
        Body=b"order_id\n",
        StorageClass="GLACIER",
    )
    text = platform.fault("refresh_orders")
    assert f"s3://{platform.bucket}/input/orders/old.csv: The object is archived" in text
    assert "restore-object" in text


def test_a_deleted_bucket_is_named(platform: Platform) -> None:
    platform.change_settings(bucket="deleted-bucket")
    text = platform.fault("refresh_orders")
    assert "s3://deleted-bucket/" in text
    assert "The bucket does not exist" in text


def test_advice_is_a_table_of_sentences() -> None:
    advice: set[Advice] = set(BY_CODE.values())
    assert all(each.what.endswith(".") and each.fix.endswith(".") for each in advice)
