"""Puts the unloaded files in their places, inside S3."""

from typing import TYPE_CHECKING

from aws_orders.config import Settings
from aws_orders.resources.s3 import CSV_TYPE, delete_prefix, join_objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
from aws_orders.output.unloaded import Unloaded, _File


class UnloadMismatchError(Exception):
    """What stands on S3 is not what was to be published."""


def publish_orders(s3: "S3Client", settings: Settings, unloaded: Unloaded, run_prefix: str) -> None:
    """Put both files in their places, and delete what is under the run's prefix.

    Raises:
        UnloadMismatchError: what stands there then has another size.
    """
    # The unmatched first: whoever waits for detailed orders then finds both new.
    for file in (unloaded.unmatched, unloaded.detailed):
        _publish(s3, settings, file)
    delete_prefix(s3, settings.bucket, run_prefix)


def _publish(s3: "S3Client", settings: Settings, file: _File) -> None:
    target, header = file.output.target, file.output.header
    if file.parts:
        join_objects(s3, settings.bucket, file.parts, target, repeated=len(header))
    else:
        s3.put_object(Bucket=settings.bucket, Key=target, Body=header, ContentType=CSV_TYPE)
    size = s3.head_object(Bucket=settings.bucket, Key=target)["ContentLength"]
    if size != file.size:
        raise UnloadMismatchError(
            f"{settings.uri(target)} has {size} bytes where {file.size} were to be published. "
            "Does something else write there? Run again."
        )
