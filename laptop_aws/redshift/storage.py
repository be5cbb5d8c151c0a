"""S3 and DynamoDB as streams: every AWS call of this server.

The first call imports boto3, which takes longer than the rest of the server's start.
"""

import contextlib
import functools
import gzip
import json
import zlib
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from laptop_aws.redshift.errors import RedshiftError

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import ScanOutputTypeDef
    from mypy_boto3_s3 import S3Client

PART = 8 * 1024 * 1024
"""The bytes per part of an upload; S3 requires at least 5 MiB."""

_SEGMENTS = 4
_MISSING = ("404", "NoSuchKey", "NotFound")

Item = Mapping[str, Mapping[str, Any]]


@functools.cache
def s3(region: str | None = None) -> "S3Client":
    """Return the S3 client; credentials and endpoint come from the environment."""
    import boto3
    from botocore.config import Config

    # Checksums are not needed on a connection within one machine.
    config = Config(request_checksum_calculation="when_required")
    return boto3.session.Session().client("s3", region_name=region, config=config)


@functools.cache
def dynamodb(region: str | None = None) -> "DynamoDBClient":
    """Return the DynamoDB client."""
    import boto3

    return boto3.session.Session().client("dynamodb", region_name=region)


@contextlib.contextmanager
def _aws_errors(missing: str = "") -> Iterator[None]:
    """Turn AWS errors into RedshiftErrors; ``missing`` is the message for a missing object."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    try:
        yield
    except ClientError as failure:
        code, text = failure.response["Error"]["Code"], failure.response["Error"]["Message"]
        if missing and code in (*_MISSING, "ResourceNotFoundException"):
            raise RedshiftError(missing) from failure
        status = failure.response["ResponseMetadata"]["HTTPStatusCode"]
        service = "DynamoDB" if failure.operation_name == "Scan" else "S3"
        raise RedshiftError(
            f"{service}ServiceException:{text},Status {status},Error {code}"
        ) from failure
    except (BotoCoreError, HTTPClientError) as failure:
        raise RedshiftError(f"AWS cannot be reached: {failure}") from failure


def split_url(url: str) -> tuple[str, str]:
    """Return the bucket and the key, or prefix, of an ``s3://`` URL."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket:
        raise RedshiftError(f"Invalid S3 URL '{url}'")
    return bucket, key


def keys(url: str, region: str | None) -> Iterator[str]:
    """Yield the URLs of all objects under a prefix."""
    bucket, prefix = split_url(url)
    with _aws_errors():
        for page in (
            s3(region).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        ):
            for found in page.get("Contents", ()):
                yield f"s3://{bucket}/{found['Key']}"


class Content:
    """The uncompressed bytes of an object, read piece by piece."""

    def __init__(self, url: str, body: "StreamingBody", *, gzipped: bool) -> None:
        self._url = url
        self._source: StreamingBody | gzip.GzipFile = body
        if gzipped:
            self._source = gzip.GzipFile(fileobj=cast("BinaryIO", body), mode="rb")

    def read(self, amount: int) -> bytes:
        """Return up to ``amount`` bytes; -1 returns all, and the end returns none."""
        with _aws_errors():
            try:
                return self._source.read(None if amount < 0 else amount)
            except (gzip.BadGzipFile, EOFError, zlib.error) as failure:
                raise RedshiftError(f"File {self._url} is not valid GZIP: {failure}") from failure


@contextlib.contextmanager
def opened(
    url: str, region: str | None, missing: str, *, gzipped: bool = False
) -> Iterator[Content]:
    """Yield an object's content; ``missing`` is the message if it does not exist."""
    bucket, key = split_url(url)
    with _aws_errors(missing):
        body = s3(region).get_object(Bucket=bucket, Key=key)["Body"]
    with contextlib.closing(body):
        yield Content(url, body, gzipped=gzipped)


def exists(url: str, region: str | None) -> bool:
    """Return whether the object exists."""
    bucket, key = split_url(url)
    try:
        with _aws_errors("missing"):
            s3(region).head_object(Bucket=bucket, Key=key)
    except RedshiftError as failure:
        if failure.message == "missing":
            return False
        raise
    return True


def delete(url: str, region: str | None) -> None:
    """Delete an object."""
    bucket, key = split_url(url)
    with _aws_errors():
        s3(region).delete_object(Bucket=bucket, Key=key)


def put_json(url: str, region: str | None, document: object) -> None:
    """Write a small object."""
    bucket, key = split_url(url)
    with _aws_errors():
        s3(region).put_object(Bucket=bucket, Key=key, Body=json.dumps(document).encode())


class ObjectWriter:
    """Writes one S3 object, as a multipart upload if it is larger than one part.

    A part is uploaded while the next one is filled, so at most two are in memory.
    """

    def __init__(self, url: str, region: str | None, *, gzipped: bool = False) -> None:
        self.size = 0
        self._gzip = zlib.compressobj(wbits=zlib.MAX_WBITS | 16) if gzipped else None
        bucket, key = split_url(url)
        self._object = {"Bucket": bucket, "Key": key}
        self._s3: Any = s3(region)  # the stubs do not accept **arguments
        self._held: list[bytes] = []
        self._held_size = 0
        self._upload: dict[str, str] = {}
        self._parts: list[dict[str, object]] = []
        self._uploader = ThreadPoolExecutor(1)
        self._upload_in_progress: Future[dict[str, object]] | None = None

    def write(self, data: bytes) -> None:
        """Write ``data``."""
        self._hold(self._gzip.compress(data) if self._gzip else data)

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)
        self.size += len(data)
        if self._held_size >= PART:
            self._send_part()

    def close(self) -> None:
        """Complete the object, which makes it visible."""
        if self._gzip:
            self._hold(self._gzip.flush())
        with self._uploader, _aws_errors():
            if not self._upload:
                self._s3.put_object(**self._object, Body=self._take())
                return
            if self._held:
                self._send_part()
            self._finish_part()
            self._s3.complete_multipart_upload(
                **self._object, **self._upload, MultipartUpload={"Parts": self._parts}
            )

    def abort(self) -> None:
        """Abort the upload of an object that is not closed."""
        self._uploader.shutdown()
        if self._upload:
            with _aws_errors():
                self._s3.abort_multipart_upload(**self._object, **self._upload)

    def _send_part(self) -> None:
        with _aws_errors():
            if not self._upload:
                upload = self._s3.create_multipart_upload(**self._object)
                self._upload = {"UploadId": upload["UploadId"]}
            self._finish_part()
            number = len(self._parts) + 1
            self._upload_in_progress = self._uploader.submit(self._send, number, self._take())

    def _send(self, number: int, data: bytes) -> dict[str, object]:
        answer = self._s3.upload_part(**self._object, **self._upload, PartNumber=number, Body=data)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _finish_part(self) -> None:
        if self._upload_in_progress:
            self._parts.append(self._upload_in_progress.result())
            self._upload_in_progress = None

    def _take(self) -> bytes:
        data = b"".join(self._held)
        self._held, self._held_size = [], 0
        return data


def scan(table: str, region: str | None) -> Generator[list[Item]]:
    """Yield all items of a DynamoDB table, page by page, reading several segments in parallel."""
    client = dynamodb(region)

    def page(segment: int, after: Mapping[str, Any] | None) -> "ScanOutputTypeDef":
        start: Any = {"ExclusiveStartKey": after} if after else {}
        return client.scan(TableName=table, Segment=segment, TotalSegments=_SEGMENTS, **start)

    # One page (1 MB) of each segment at a time, which limits the memory to 4 MB.
    with ThreadPoolExecutor(_SEGMENTS) as pool:
        running = {pool.submit(page, segment, None): segment for segment in range(_SEGMENTS)}
        while running:
            done: set[Future[ScanOutputTypeDef]] = wait(running, None, FIRST_COMPLETED).done
            for future in done:
                segment = running.pop(future)
                with _aws_errors(f"The DynamoDB table '{table}' does not exist"):
                    found = future.result()
                if last := found.get("LastEvaluatedKey"):
                    running[pool.submit(page, segment, last)] = segment
                yield list(found["Items"])
