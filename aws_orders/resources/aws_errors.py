"""Explains AWS's errors: which resource, what happened, and how to fix it.

A `ClientError` does not name the resource, and after a HEAD it has no message either. Therefore
every client of the platform records the resource of each call (`record_resources`), and assets,
sensors and the doctor convert the error into a `DataError`, or into a `TransientError` if a retry
may succeed (`explained`). See `aws_advice` for what a code means.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    SSLError,
    WaiterError,
)

from aws_orders.errors import DataError, TransientError
from aws_orders.resources.aws_advice import BUSY, CREDENTIALS, NO_BUCKET, REGION, Advice, advice_for
from aws_orders.resources.transient import is_transient

Client = TypeVar("Client")

# Calls whose IAM action has a different name.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
ACTIONS = {
    "HeadObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "CopyObject": "s3:PutObject (and s3:GetObject on the source)",
    "UploadPartCopy": "s3:PutObject (and s3:GetObject on the source)",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "DeleteObjects": "s3:DeleteObject",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "DeleteMessageBatch": "sqs:DeleteMessage",
}
# Error messages may repeat parts of the Authorization header.
SIGNED = re.compile(r"(Credential|Signature|Security-Token)=[^\s,'\"&]+")
# https://docs.aws.amazon.com/redshift/latest/dg/s3serviceexception-error.html
IN_REDSHIFT = re.compile(
    r"(S3|DynamoDB)\w*Exception:(?P<text>.*?),\s*Status (?P<status>\d+),\s*Error (?P<code>[\w.]+)",
    re.DOTALL,
)


def record_resources(client: Client) -> Client:
    """Make a boto3 client record in each `ClientError` which resource was called; return it."""
    client_any: Any = client
    meta = client_any.meta

    def record(params: Any, context: dict[str, Any], **_: Any) -> None:
        context["aws_orders_place"] = resource_name(meta.service_model.service_name, params)

    def attach(parsed: dict[str, Any], context: dict[str, Any], model: Any, **_: Any) -> None:
        if "Error" in parsed:
            service = model.service_model.service_name
            parsed["Error"]["Place"] = context.get("aws_orders_place", service)
            parsed["Error"]["Action"] = ACTIONS.get(model.name, f"{service}:{model.name}")
            parsed["Error"]["ClientRegion"] = meta.region_name

    meta.events.register_first("provide-client-params", record)
    meta.events.register_last("after-call", attach)
    return client


def resource_name(service: str, params: dict[str, Any]) -> str:
    """Return the resource of a call, as it is named in messages."""
    match service, params:
        case "s3", {"Bucket": bucket, "Key": key, "CopySource": {"Bucket": other, "Key": source}}:
            return f"s3://{bucket}/{key} (a copy of s3://{other}/{source})"
        case "s3", {"Bucket": bucket}:
            return f"s3://{bucket}/{params.get('Key') or params.get('Prefix') or ''}"
        case "dynamodb", {"TableName": table}:
            return f"DynamoDB table {table}"
        case "dynamodb", {"RequestItems": tables}:
            return f"DynamoDB table {', '.join(tables)}"
        case "sqs", {"QueueUrl": url}:
            return f"SQS queue {url}"
        case "sns", {"TopicArn": arn}:
            return f"SNS topic {arn}"
        case "redshift-serverless", {"workgroupName": name}:
            return f"Redshift Serverless workgroup {name}"
        case "redshift-serverless", {"namespaceName": name}:
            return f"Redshift Serverless namespace {name}"
        case "redshift", {"ClusterIdentifier": name}:
            return f"Redshift cluster {name}"
        case "secretsmanager", {"SecretId": name}:
            return f"secret {name}"
    return f"AWS {service}"


@contextmanager
def explaining() -> Iterator[None]:
    """Convert AWS errors raised in the block (see `explained`).

    Raises:
        DataError: a permanent error.
        TransientError: an error that a retry may resolve.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise explained(error) from error


def explained(error: ClientError | BotoCoreError, where: str = "") -> DataError | TransientError:
    """Return an AWS error with its resource, its meaning and a fix.

    Args:
        error: The error that boto3 raised.
        where: The resource, if the client does not record it.
    """
    if isinstance(error, WaiterError) and "Error" in error.last_response:
        error = ClientError(error.last_response, "wait")
    if isinstance(error, ClientError):
        return _explained_answer(error, where)
    transient = is_transient(error)
    if isinstance(error, NoRegionError):
        advice = Advice("No AWS region is set.", "a region", "Set AWS_DEFAULT_REGION.")
    elif isinstance(error, SSLError):
        advice = Advice(
            "The certificate of the AWS endpoint is not trusted.",
            "a certificate that this machine trusts",
            "Set AWS_CA_BUNDLE to your proxy's root certificates, or correct AWS_ENDPOINT_URL.",
        )
    elif transient:
        advice = Advice(
            "AWS cannot be reached.",
            "a connection to the service",
            "Check AWS_ENDPOINT_URL and the network between this machine and AWS, and run again.",
        )
    elif "redential" in type(error).__name__ or "Token" in type(error).__name__:
        advice = CREDENTIALS
    else:
        advice = Advice(
            "boto3 cannot call AWS with this configuration.",
            "credentials, region and endpoints that boto3 accepts",
            "Run `aws sts get-caller-identity` with this environment, and correct its AWS_* "
            "variables or ~/.aws/config.",
        )
    kind = TransientError if transient else DataError
    found = "no credentials" if isinstance(error, NoCredentialsError) else str(error)
    return kind(
        advice.what, where=where or "AWS", expected=advice.expected, found=found, fix=advice.fix
    )


def _explained_answer(error: ClientError, where: str) -> DataError | TransientError:
    about: dict[str, Any] = dict(error.response.get("Error", {}))
    code, message = str(about.get("Code", "")), str(about.get("Message", ""))
    metadata: dict[str, Any] = dict(error.response.get("ResponseMetadata", {}))
    status = int(metadata.get("HTTPStatusCode", 0))
    transient = is_transient(error)
    advice = BUSY if transient and status >= 500 else advice_for(code, message, status)
    if error.operation_name == "HeadBucket" and code == "404":
        advice = NO_BUCKET
    headers = metadata.get("HTTPHeaders", {})
    region = about.get("Region") or headers.get("x-amz-bucket-region")
    found = f"{code}: {message}" if message and message != code else code
    found = SIGNED.sub(r"\1=…", found)
    if advice is REGION and region:
        found += f" (it is in {region})"
    return _filled(
        advice,
        transient=transient,
        found=found,
        place=where or str(about.get("Place", f"AWS ({error.operation_name})")),
        action=str(about.get("Action", error.operation_name)),
        region=str(about.get("ClientRegion", "that was called")),
    )


def explained_by_redshift(text: str) -> DataError | None:
    """Return the error of S3 or DynamoDB in the message of a COPY or UNLOAD, if any.

    Args:
        text: The warehouse's message.
    """
    found = IN_REDSHIFT.search(text)
    if found is None or int(found["status"]) >= 500:
        return None
    advice = advice_for(found["code"], found["text"], int(found["status"]))
    filled = _filled(
        advice,
        transient=False,
        found=" ".join(text.split()),
        place="data that COPY and UNLOAD access with the warehouse's role (REDSHIFT_IAM_ROLE)",
        action="s3:GetObject, s3:ListBucket, s3:PutObject, dynamodb:Scan or DescribeTable",
        region="of the warehouse (or REDSHIFT_DATA_REGION)",
    )
    return filled if isinstance(filled, DataError) else None


def _filled(
    advice: Advice, *, transient: bool, found: str, place: str, action: str, region: str
) -> DataError | TransientError:
    names = {"place": place, "action": action, "region": region}
    kind = TransientError if transient else DataError
    return kind(
        advice.what,
        where=place,
        expected=advice.expected.format(**names),
        found=found,
        fix=advice.fix.format(**names),
    )
