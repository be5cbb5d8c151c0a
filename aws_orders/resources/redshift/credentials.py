"""Credentials for the warehouse: user, password and, if it is looked up, the address.

AWS issues them, or they are configured. They are cached until shortly before they expire. No AWS
key is configured anywhere: boto3's default chain finds the caller's identity, and
AWS_ENDPOINT_URL sets the endpoint. See `connection` for connecting with them.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from aws_orders.errors import DataError

if TYPE_CHECKING:
    Client = Any  # boto3's; stubs would add three packages for five calls

# The longest that both services grant; an open session outlives it.
# https://docs.aws.amazon.com/redshift-serverless/latest/APIReference/API_GetCredentials.html
# https://docs.aws.amazon.com/redshift/latest/APIReference/API_GetClusterCredentialsWithIAM.html
DURATION_SECONDS = 3600
# How long before their expiry credentials are renewed: clocks differ, and connecting takes time.
MARGIN = timedelta(minutes=5)
PORT = 5439


@dataclass(frozen=True)
class Credentials:
    """User and password, with the endpoint if the source of the credentials names one.

    Attributes:
        user: The database user.
        password: The password.
        expires: When they expire; None: never.
        host: The endpoint's host; empty: the source names none.
        port: The endpoint's port.
    """

    user: str
    password: str = field(repr=False)
    expires: datetime | None = None
    host: str = ""
    port: int = PORT


class CredentialsCache:
    """Credentials, fetched on first use and renewed before they expire; safe for threads."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._held: Credentials | None = None

    def get(
        self, fetch: Callable[[], Credentials], refused: Credentials | None = None
    ) -> Credentials:
        """Return credentials that are valid for some minutes.

        Threads that call this while credentials are fetched wait for them.

        Args:
            fetch: Returns new credentials.
            refused: Credentials that the warehouse refused, which are not returned again.
        """
        with self._lock:
            held = self._held
            if held is None or held is refused or self._expires_soon(held):
                held = self._held = fetch()
            return held

    def _expires_soon(self, held: Credentials) -> bool:
        return held.expires is not None and self._now() > held.expires - MARGIN


@contextmanager
def explaining_refusals(action: str, resource: str) -> Iterator[None]:
    """Turn AWS's refusal of a call in the block into an error that names what to grant.

    Raises:
        DataError: `resource` does not exist, or `action` is not allowed on it.
    """
    try:
        yield
    except ClientError as error:
        code, text = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if "AccessDenied" not in code and "NotFound" not in code:
            raise
        raise DataError(
            "AWS does not issue credentials for the warehouse.",
            where=resource,
            expected=f"a resource in this region on which {action} is allowed",
            found=f"{code}: {text}",
            fix=f"Check the name and the region, and allow {action} for the identity above.",
        ) from error


def workgroup_credentials(
    client: "Client", workgroup: str, database: str, find_host: bool
) -> Credentials:
    """Return temporary credentials of a Redshift Serverless workgroup.

    Needs redshift-serverless:GetCredentials on the workgroup and, for the address, GetWorkgroup.
    """
    where = f"Redshift Serverless workgroup {workgroup}"
    with explaining_refusals("redshift-serverless:GetCredentials", where):
        given = client.get_credentials(
            workgroupName=workgroup, dbName=database, durationSeconds=DURATION_SECONDS
        )
    endpoint: dict[str, Any] = {}
    if find_host:
        with explaining_refusals("redshift-serverless:GetWorkgroup", where):
            found = client.get_workgroup(workgroupName=workgroup)["workgroup"]
        endpoint = found.get("endpoint", {})  # absent while it is created
    return Credentials(
        given["dbUser"],
        given["dbPassword"],
        given["expiration"],
        endpoint.get("address", ""),
        endpoint.get("port", PORT),
    )


def cluster_credentials(
    client: "Client", cluster: str, database: str, find_host: bool
) -> Credentials:
    """Return temporary credentials of a provisioned cluster.

    Needs redshift:GetClusterCredentialsWithIAM on the database name and, for the address,
    redshift:DescribeClusters.
    """
    where = f"Redshift cluster {cluster}, database {database}"
    with explaining_refusals("redshift:GetClusterCredentialsWithIAM", where):
        given = client.get_cluster_credentials_with_iam(
            ClusterIdentifier=cluster, DbName=database, DurationSeconds=DURATION_SECONDS
        )
    endpoint: dict[str, Any] = {}
    if find_host:
        with explaining_refusals("redshift:DescribeClusters", where):
            (found,) = client.describe_clusters(ClusterIdentifier=cluster)["Clusters"]
        endpoint = found.get("Endpoint", {})  # a paused or new cluster has none
    return Credentials(
        given["DbUser"],
        given["DbPassword"],
        given["Expiration"],
        endpoint.get("Address", ""),
        endpoint.get("Port", PORT),
    )


def secret_credentials(client: "Client", secret: str) -> Credentials:
    """Return the credentials in a Secrets Manager secret: user, password, optionally the endpoint.

    Needs secretsmanager:GetSecretValue on the secret, and kms:Decrypt on its customer managed key.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html

    Raises:
        DataError: the secret has the wrong format.
    """
    where = f"Secrets Manager secret {secret}"
    with explaining_refusals("secretsmanager:GetSecretValue", where):
        text = client.get_secret_value(SecretId=secret).get("SecretString", "")
    try:
        held = json.loads(text)
        return Credentials(
            held["username"],
            held["password"],
            host=held.get("host", ""),
            port=int(held.get("port", PORT)),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        # `from None`, because the error may quote the secret.
        raise DataError(
            "The secret has the wrong format.",
            where=where,
            expected='a JSON object with "username" and "password", optionally "host" and "port"',
            found="something else, not shown here",
            fix="Set REDSHIFT_SECRET to the secret that Redshift manages or to one of that format.",
        ) from None
