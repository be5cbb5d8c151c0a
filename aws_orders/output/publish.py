"""Publishes the unloaded files: copies them to their keys inside S3.

See `unload` and `verify` for what happens before.
"""

from typing import TYPE_CHECKING

from aws_orders.output.unloaded import Unloaded, UnloadedFile
from aws_orders.resources.s3 import CSV_TYPE, delete_prefix, join_objects
from aws_orders.resources.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class UnloadMismatchError(Exception):
    """A published file does not have the size of the unloaded one."""


def publish_orders(s3: "S3Client", settings: Settings, unloaded: Unloaded, run_prefix: str) -> None:
    """Copy both files to their keys, and delete the objects under the run's prefix.

    Raises:
        UnloadMismatchError: a published file has another size than its parts.
    """
    # Publish unmatched orders first, so both files are new when the detailed file changes.
    for file in (unloaded.unmatched, unloaded.detailed):
        _publish(s3, settings, file)
    delete_prefix(s3, settings.bucket, run_prefix)


def _publish(s3: "S3Client", settings: Settings, file: UnloadedFile) -> None:
    key, header = file.output.key, file.output.header
    if file.parts:
        join_objects(s3, settings.bucket, file.parts, key, repeated=len(header))
    else:
        s3.put_object(Bucket=settings.bucket, Key=key, Body=header, ContentType=CSV_TYPE)
    size = s3.head_object(Bucket=settings.bucket, Key=key)["ContentLength"]
    if size != file.size:
        raise UnloadMismatchError(
            f"{settings.uri(key)} has {size} bytes instead of {file.size}. Make sure nothing "
            "else writes to this key, then run detailed_orders_csv again."
        )
