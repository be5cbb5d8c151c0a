"""What each AWS error code means, and how to fix it: a table. Pure.

`aws_errors` uses it. The texts are format strings with the fields `place` (the resource),
`action` (the IAM action) and `region` (the region that was called).

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
and the service models of botocore.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """An error in one sentence, the expected state, and the fix."""

    what: str
    expected: str
    fix: str


DENIED = Advice(
    "AWS denies access.",
    "{action} is allowed on {place}",
    "Allow {action} on {place} in a policy of the role or user that runs this. If another account "
    "owns the bucket or wrote the object, its owner must also allow it in a bucket policy, with "
    "the bucket's Object Ownership set to BucketOwnerEnforced.",
)
KMS = Advice(
    "AWS cannot use the KMS key that encrypts this.",
    "an enabled KMS key that the caller may use for {place}",
    "Enable the key if it is disabled or pending deletion, and allow kms:Decrypt and "
    "kms:GenerateDataKey on it, in the key's policy and in the policy of the role or user that "
    "runs this.",
)
CREDENTIALS = Advice(
    "AWS does not accept the credentials.",
    "valid credentials that have not expired",
    "Run `aws sts get-caller-identity` with this environment. Sign in again, or correct "
    "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or AWS_PROFILE.",
)
CLOCK = Advice(
    "The clock of this machine differs from AWS's clock.",
    "a clock that is accurate to 15 minutes",
    "Synchronize this machine's clock by NTP (`timedatectl set-ntp true`) and run again.",
)
ACCOUNT = Advice(
    "The AWS account cannot use this service.",
    "an active account that is signed up for the service",
    "Check the account's status in the AWS console, and contact AWS Support if it is disabled.",
)
REGION = Advice(
    "The resource is in another region.",
    "{place} in the region that was called, {region}",
    "Set AWS_DEFAULT_REGION to the region of the bucket, and run again. If Redshift is in another "
    "region, also set REDSHIFT_DATA_REGION to the bucket's region.",
)
NO_BUCKET = Advice(
    "The bucket does not exist.",
    "the bucket of {place}",
    "Create the bucket, or correct AWS_ORDERS_BUCKET or the feed's address.",
)
NO_OBJECT = Advice(
    "The object does not exist.",
    "an object at {place}",
    "Deliver the object again, or correct its address, and run again.",
)
ABSENT = Advice(
    "The resource does not exist.",
    "{place} in the region {region}",
    "Create it, or correct its name or the region in the environment (AWS_DEFAULT_REGION; for the "
    "warehouse REDSHIFT_REGION), and run again.",
)
ARCHIVED = Advice(
    "The object is archived and cannot be read.",
    "an object in a storage class that can be read at once, such as STANDARD",
    "Restore it (`aws s3api restore-object`, which takes minutes to hours) and run again, or "
    "deliver the file again under the same key. Exclude the prefix from the lifecycle rule that "
    "archives objects.",
)
BUSY = Advice(
    "AWS is busy or does not respond.",
    "a response of the service for {place}",
    "Nothing: the platform retries. If it recurs, run again later; for throttling, raise the "
    "capacity or the quota of the resource.",
)
CONFLICT = Advice(
    "Something else changed the resource at the same time.",
    "no concurrent change of {place}",
    "Run again. If it recurs, find and stop the other writer.",
)
CHANGED = Advice(
    "The object changed during the run.",
    "{place} as it was when the run started",
    "Run again. If it recurs, find and stop the other writer.",
)
UPLOAD_ABORTED = Advice(
    "The upload was aborted before it was complete.",
    "an upload to {place} that nothing else aborts",
    "Run again. If it recurs, check the bucket's lifecycle rule for incomplete uploads.",
)
TOO_LARGE = Advice(
    "The object or item exceeds a size limit of AWS.",
    "a size within the service's quota",
    "Deliver several smaller files, and run again.",
)
QUOTA = Advice(
    "A quota of the AWS account is exhausted.",
    "quota for {place}",
    "Raise the quota (Service Quotas in the AWS console), or delete unused resources.",
)
IN_USE = Advice(
    "The resource is being changed.",
    "{place} in the state ACTIVE",
    "Wait until it is ACTIVE and run again.",
)
DISABLED = Advice(
    "The destination is disabled.",
    "{place} enabled",
    "Enable it in the AWS console, or correct AWS_ORDERS_ALERTS_TOPIC.",
)
SETTING = Advice(
    "AWS does not accept the value of a setting.",
    "the name, ARN or URL of an existing resource in AWS's format",
    "Correct the name, ARN or URL of {place} in the environment; `aws-orders doctor` checks it.",
)
SECRET_STATE = Advice(
    "The secret cannot be read.",
    "{place} with a current version, not marked for deletion",
    "Restore the secret (`aws secretsmanager restore-secret`), or set REDSHIFT_SECRET to another.",
)
SECURITY = Advice(
    "AWS requires a signed HTTPS request.",
    "an HTTPS request, signed for {place}",
    "Unset AWS_ENDPOINT_URL, or set it to an https:// address, and run again.",
)
NOT_SUPPORTED = Advice(
    "The service does not support this call here.",
    "a service that implements {action}",
    "Check that AWS_ENDPOINT_URL, if set, points to a complete implementation, and that the "
    "resource has the type that the documentation requires.",
)
REQUEST = Advice(
    "AWS rejects the request.",
    "a valid request for {action} on {place}",
    "Run `aws-orders doctor`. If it reports nothing, report this message with its request id as a "
    "bug of aws_orders.",
)

_GROUPS: dict[Advice, str] = {
    DENIED: """AccessDenied AccessDeniedException AuthorizationError AuthorizationErrorException
        403 Forbidden AllAccessDisabled UnauthorizedOperation UnauthorizedAccess
        MethodNotAllowed AccessControlListNotSupported CrossLocationLoggingProhibited
        InvalidPayer""",
    KMS: """KMSAccessDenied KMSDisabled KMSInvalidState KMSNotFound KMSOptInRequired
        KMSAccessDeniedException KMSDisabledException KMSInvalidStateException
        KMSNotFoundException KmsAccessDenied KmsDisabled KmsInvalidKeyUsage KmsInvalidState
        KmsNotFound KmsOptInRequired DecryptionFailure EncryptionFailure
        EncryptionTypeMismatch InvalidEncryptionAlgorithmError""",
    CREDENTIALS: """InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken ExpiredTokenException
        InvalidToken InvalidClientTokenId UnrecognizedClientException UnrecognizedClient
        InvalidSignatureException InvalidSignature IncompleteSignature
        IncompleteSignatureException MissingAuthenticationToken
        MissingAuthenticationTokenException AuthFailure TokenRefreshRequired
        CredentialsNotSupported MissingSecurityHeader MissingSecurityElement NotAuthorized
        AuthorizationQueryParametersError 401 RequestNotSigned""",
    CLOCK: "RequestTimeTooSkewed RequestExpired RequestInTheFuture",
    ACCOUNT: """AccountProblem NotSignedUp OptInRequired SubscriptionRequiredException
        InactiveAccount""",
    REGION: """PermanentRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException
        IllegalLocationConstraint InvalidLocationConstraint InvalidRegionName Redirect
        TemporaryRedirect PermanentRedirectControlError EndpointNotFound 301 302 307 308""",
    NO_BUCKET: "NoSuchBucket InvalidBucketName InvalidBucketState NoSuchAccessPoint",
    NO_OBJECT: "NoSuchKey NoSuchVersion 404 405",
    ABSENT: """ResourceNotFoundException TableNotFoundException QueueDoesNotExist
        AWS.SimpleQueueService.NonExistentQueue NonExistentQueue NotFound NotFoundException
        ClusterNotFound ClusterNotFoundFault EndpointNotFoundException""",
    ARCHIVED: """InvalidObjectState ObjectNotInActiveTierError InvalidStorageClass
        ObjectAlreadyInActiveTierError RestoreAlreadyInProgress""",
    BUSY: """ProvisionedThroughputExceededException ThrottlingException Throttling
        RequestLimitExceeded RequestThrottled RequestThrottledException ThrottledException
        TooManyRequestsException TooManyRequests BandwidthLimitExceeded PriorRequestNotComplete
        SlowDown ServiceUnavailable ServiceUnavailableException ServiceFailure InternalError
        InternalFailure InternalServerError InternalServerException InternalServiceError
        InternalErrorException KMSThrottling KMSThrottlingException KmsThrottled
        LimitExceededException RequestTimeout RequestTimeoutException TransactionInProgressException
        IncompleteBody OverLimit ServerBusy 429 500 502 503 504""",
    CONFLICT: """OperationAborted ConditionalRequestConflict ReplicatedWriteConflictException
        ConflictException ConcurrentModification TransactionConflictException 409
        BucketAlreadyExists BucketAlreadyOwnedByYou BucketNotEmpty IdempotentParameterMismatch""",
    CHANGED: "PreconditionFailed 412 ConditionalCheckFailedException NotModified 304",
    UPLOAD_ABORTED: "NoSuchUpload InvalidPart InvalidPartOrder InvalidWriteOffset",
    TOO_LARGE: """EntityTooLarge EntityTooSmall TooManyParts KeyTooLongError MetadataTooLarge
        MaxMessageLengthExceeded MaxPostPreDataLengthExceededError InlineDataTooLarge 413
        ItemCollectionSizeLimitExceededException RequestEntityTooLarge""",
    QUOTA: "TooManyBuckets ServiceQuotaExceededException TableLimitExceeded QuotaExceeded",
    IN_USE: "ResourceInUseException TableInUseException ResourceInUse",
    DISABLED: "EndpointDisabled PlatformApplicationDisabled EndpointDisabledException",
    SETTING: """InvalidAddress InvalidAddressException InvalidParameter InvalidParameterException
        ParameterValueInvalid InvalidParameterValue InvalidTagFault InvalidURI""",
    SECRET_STATE: "InvalidRequestException",
    SECURITY: "InvalidSecurity InvalidSecurityException",
    NOT_SUPPORTED: """UnsupportedOperation UnsupportedOperationException UnsupportedArgument
        UnsupportedOperationFault NotImplemented NotSupported UnknownOperationException 501
        InvalidAction UnexpectedContent UnsupportedSignature""",
    REQUEST: """ValidationException ValidationError InvalidRequest InvalidArgument BadRequest 400
        SerializationException MalformedXML MalformedQueryString MissingParameter
        MissingAction InvalidAttributeName TooManyEntriesInBatchRequest EmptyBatchRequest
        BatchEntryIdsNotDistinct InvalidBatchEntryId BatchRequestTooLong InvalidIdFormat
        ReceiptHandleIsInvalid BadDigest InvalidDigest XAmzContentSHA256Mismatch InvalidRange
        416 MissingContentLength MissingRequestBodyError MissingAttachment InvalidSOAPRequest
        InvalidPolicyDocument MalformedPolicy MalformedPolicyDocument MalformedACLError
        MalformedPOSTRequest IncorrectNumberOfFilesInPostRequest InvalidAddressingHeader
        InvalidTargetBucketForLogging IllegalVersioningConfigurationException
        RequestIsNotMultiPartContent RequestTorrentOfBucketError UserKeyMustBeSpecified
        UnresolvableGrantByEmailAddress AmbiguousGrantByEmailAddress InvalidQueryParameter
        InvalidParameterCombination NoLoggingStatusForKey NoSuchBucketPolicy
        NoSuchLifecycleConfiguration ServerSideEncryptionConfigurationNotFoundError
        NoSuchPublicAccessBlockConfiguration OwnershipControlsNotFoundError InvalidTag
        InvalidSessionException""",
}
BY_CODE = {code: advice for advice, codes in _GROUPS.items() for code in codes.split()}


def advice_for(code: str, message: str, status: int) -> Advice:
    """Return what an AWS error means, by its code or, if that is unknown, by its HTTP status.

    Args:
        code: AWS's error code; after a HEAD, the HTTP status.
        message: AWS's message, which shows if a KMS key denied access.
        status: The HTTP status.
    """
    if code.upper().startswith("KMS.") or (BY_CODE.get(code) is DENIED and "kms:" in message):
        return KMS
    if BY_CODE.get(code) is CREDENTIALS and "Signature expired" in message:
        return CLOCK
    by_status = BUSY if status >= 500 else BY_CODE.get(str(status), REQUEST)
    return BY_CODE.get(code, by_status)
