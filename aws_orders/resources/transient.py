"""Which of boto3's errors are transient: throttled, cut off, or not there just now.

boto3 has by then tried several times by itself; this decides whether the whole step is worth
another try. Redshift's errors are classified in `redshift`.
"""

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ProxyConnectionError,
)

# Sent with a status of 400, as lasting errors are; S3's SlowDown is a 503.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
THROTTLED = {
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
}
# Throttled by other services, too late, or meeting another change: 400 or 409.
TRANSIENT = THROTTLED | {
    "Throttling",
    "RequestThrottled",
    "RequestThrottledException",
    "KMSThrottling",
    "KmsThrottled",
    "KMS.ThrottlingException",
    "RequestTimeout",
    "RequestTimeoutException",
    "OperationAborted",
    "ConditionalRequestConflict",
    "ReplicatedWriteConflictException",
    "LimitExceededException",
    "IncompleteBody",
    "PriorRequestNotComplete",
    "BandwidthLimitExceeded",
    # Of a single key in the answer to DeleteObjects, whose own status is 200.
    "InternalError",
    "ServiceUnavailable",
    "SlowDown",
}


def may_pass(error: Exception) -> bool:
    """Return whether another try may succeed."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        return (status >= 500 and status != 501) or status == 429 or code in TRANSIENT
    # Not the base of these three, ConnectionError: a certificate that is not trusted stays so.
    unreachable = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)
    return isinstance(error, (HTTPClientError, IncompleteReadError, *unreachable))
