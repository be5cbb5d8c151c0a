"""The S3 resource with one client per run, and operations on S3 with that client.

See `settings` for the keys that the platform uses.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.handlers import disable_signing
from dagster_aws.s3 import S3Resource
from pydantic import PrivateAttr

from aws_orders.resources.aws_errors import record_resources
from aws_orders.resources.aws_sessions import new_session
from aws_orders.resources.objects import MAX_COPY_BYTES, StoredObject, spans

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        CompletedPartTypeDef,
        HeadObjectOutputTypeDef,
        ObjectIdentifierTypeDef,
    )

CSV_TYPE = "text/csv; charset=utf-8"
PART_BYTES = 8 * 1024**2
PARTS_IN_MEMORY = 4


class SharedS3Resource(S3Resource):
    """dagster-aws's S3Resource with one shared client.

    The original creates two clients per step, at 0.29 CPU seconds each; boto3's clients are safe
    to share between steps and threads.
    """

    _client: "S3Client | None" = PrivateAttr(default=None)

    def get_client(self) -> "S3Client":
        """Return the run's client."""
        if self._client is None:
            self._client = record_resources(self._new_client())
        return self._client

    def _new_client(self) -> "S3Client":
        """Create a client from all of the resource's settings, like the original."""
        client = new_session(self.profile_name).client(
            "s3",
            region_name=self.region_name,
            use_ssl=self.use_ssl,
            verify=self.verify,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
            aws_session_token=self.aws_session_token,
            config=Config(retries={"max_attempts": self.max_attempts, "mode": "standard"}),
        )
        if self.use_unsigned_session:
            client.meta.events.register("choose-signer.s3.*", disable_signing)
        return client


def list_objects(s3: "S3Client", bucket: str, prefix: str) -> Iterator[StoredObject]:
    """Yield all objects under `prefix` in key order, page by page."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            yield StoredObject(
                entry["Key"], entry["ETag"].strip('"'), entry["Size"], entry["LastModified"]
            )


def find_object(s3: "S3Client", bucket: str, key: str) -> "HeadObjectOutputTypeDef | None":
    """Return an object's properties without its content; None if there is no object."""
    try:
        return s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return None
        raise


def delete_prefix(s3: "S3Client", bucket: str, prefix: str) -> None:
    """Delete all objects under `prefix`."""
    delete_objects(s3, bucket, (stored.key for stored in list_objects(s3, bucket, prefix)))


def upload(
    s3: "S3Client",
    stream: IO[bytes],
    bucket: str,
    key: str,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write a stream to an object, in parts and in bounded memory; visible when complete."""
    from boto3.s3.transfer import TransferConfig

    # 10,000 parts of 8 MiB are 78 GiB. At most four parts are in memory; s3transfer's default is
    # ten, and boto3's constructor has no parameter for it.
    config = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)
    config.max_in_memory_upload_chunks = config.max_request_concurrency = PARTS_IN_MEMORY
    s3.upload_fileobj(
        stream,
        bucket,
        key,
        ExtraArgs={"ContentType": CSV_TYPE, "Metadata": metadata or {}},
        Config=config,
    )


def delete_objects(s3: "S3Client", bucket: str, keys: Iterable[str]) -> None:
    """Delete objects, a thousand per call.

    Raises:
        ClientError: an object cannot be deleted; others of the same call may be deleted.
    """
    names = list(keys)
    for first in range(0, len(names), 1000):
        batch: list[ObjectIdentifierTypeDef] = [{"Key": key} for key in names[first : first + 1000]]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        for failed in answer.get("Errors", []):
            place = {"Place": f"s3://{bucket}/{failed.get('Key')}", "Action": "s3:DeleteObject"}
            response = {"Error": {**failed, **place}}
            raise ClientError(response, "DeleteObjects")  # type: ignore[arg-type]


def join_objects(
    s3: "S3Client",
    bucket: str,
    parts: Sequence[StoredObject],
    target: str,
    *,
    repeated: int = 0,
    metadata: dict[str, str] | None = None,
) -> None:
    """Concatenate objects to `target` by server-side copies; readers never see a part of it.

    Args:
        s3: The client.
        bucket: The bucket of the parts and of the target.
        parts: At least one object; all start with the same header, and all but the last have at
            least 5 MiB, which S3 requires of the parts of a multipart upload.
        target: The key to write.
        repeated: Bytes of the header, which only the first part keeps.
        metadata: User metadata of the target.
    """
    if len(parts) == 1 and parts[0].size <= MAX_COPY_BYTES:
        s3.copy_object(
            Bucket=bucket,
            Key=target,
            CopySource={"Bucket": bucket, "Key": parts[0].key},
            ContentType=CSV_TYPE,
            Metadata=metadata or {},
            MetadataDirective="REPLACE",
        )
        return
    upload_id = s3.create_multipart_upload(
        Bucket=bucket, Key=target, ContentType=CSV_TYPE, Metadata=metadata or {}
    )["UploadId"]
    try:
        copied_parts: list[CompletedPartTypeDef] = []
        for number, span in enumerate(spans(parts, repeated), start=1):
            copied = s3.upload_part_copy(
                Bucket=bucket,
                Key=target,
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": bucket, "Key": span.key},
                CopySourceRange=f"bytes={span.start}-{span.end - 1}",
            )
            copied_parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
        s3.complete_multipart_upload(
            Bucket=bucket, Key=target, UploadId=upload_id, MultipartUpload={"Parts": copied_parts}
        )
    except BaseException:
        s3.abort_multipart_upload(Bucket=bucket, Key=target, UploadId=upload_id)
        raise
