"""Which of boto3's errors are transient: throttled, interrupted, or temporarily unavailable.

boto3 has already retried the call several times; `is_transient` decides whether the whole step is
worth another attempt. `redshift.errors` classifies Redshift's errors.
"""

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ProxyConnectionError,
)

# These have status 400, like permanent errors. (S3's SlowDown has 503.)
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
THROTTLED = {
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
}
# Throttling by other services, timeouts, and conflicts with concurrent changes: 400 or 409.
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
    # For single keys in a DeleteObjects response, whose status is 200.
    "InternalError",
    "ServiceUnavailable",
    "SlowDown",
}


def is_transient(error: Exception) -> bool:
    """Return whether another attempt may succeed."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        return (status >= 500 and status != 501) or status == 429 or code in TRANSIENT
    # Not their base class ConnectionError: SSLError is one, and permanent.
    unreachable = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)
    return isinstance(error, (HTTPClientError, IncompleteReadError, *unreachable))
