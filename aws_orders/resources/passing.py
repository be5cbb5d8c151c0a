"""Which of boto3's errors may be over a moment later: throttled, cut off, or not there just now.

boto3 has by then tried several times by itself; what is told here is whether the whole step is
worth another try. Redshift's errors are told apart in `redshift`.
"""

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
)

# Said with a status of 400, as a lasting error is; S3's SlowDown is a 503.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
THROTTLED = {
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
}
TIMED_OUT = "RequestTimeout"


def may_pass(error: Exception) -> bool:
    """Tell whether another try may succeed."""
    if isinstance(error, ClientError):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        code = error.response["Error"]["Code"]
        return status >= 500 or status == 429 or code in {*THROTTLED, TIMED_OUT}
    # Not their base, ConnectionError: a certificate that is not trusted stays so.
    unreachable = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)
    return isinstance(error, (HTTPClientError, *unreachable))
