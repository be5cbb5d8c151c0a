"""Who to be in the warehouse: user, password and, where it is looked up, the address.

Belongs here: asking AWS for them, and keeping what it gave until shortly before it expires. No
key is configured anywhere: boto3's default chain says who asks, and AWS_ENDPOINT_URL
whom. Does not belong here: connecting (`redshift_connection`).
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
    Client = Any  # boto3's; stubs would be three packages more, for five calls

# The longest that both services grant; a session that is open outlives it.
# https://docs.aws.amazon.com/redshift-serverless/latest/APIReference/API_GetCredentials.html
# https://docs.aws.amazon.com/redshift/latest/APIReference/API_GetClusterCredentialsWithIAM.html
DURATION_SECONDS = 3600
# Renewed this long before they expire: clocks differ, and connecting may take its time.
MARGIN = timedelta(minutes=5)
PORT = 5439


@dataclass(frozen=True)
class Credentials:
    """What the warehouse is told; `expires` None: not by itself.

    `host` and `port` are those that the source of the credentials names; empty: none.
    """

    user: str
    password: str = field(repr=False)
    expires: datetime | None = None
    host: str = ""
    port: int = PORT


class CredentialsCache:
    """Credentials, fetched when first asked for and again when they expire; safe for threads."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._held: Credentials | None = None

    def get(
        self, fetch: Callable[[], Credentials], refused: Credentials | None = None
    ) -> Credentials:
        """Return credentials that are good for some minutes, and are not those `refused`.

        Whoever comes while others are fetched waits for those.
        """
        with self._lock:
            held = self._held
            if held is None or held is refused or self._expires_soon(held):
                held = self._held = fetch()
            return held

    def _expires_soon(self, held: Credentials) -> bool:
        return held.expires is not None and self._now() > held.expires - MARGIN


@contextmanager
def asking_for(action: str, resource: str) -> Iterator[None]:
    """Turn AWS's refusal of a call inside into an error that says what to grant.

    Raises:
        DataError: `resource` does not exist, or `action` on it is not allowed.
    """
    try:
        yield
    except ClientError as error:
        code, text = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if "AccessDenied" not in code and "NotFound" not in code:
            raise
        raise DataError(
            "AWS does not give the warehouse's credentials.",
            where=resource,
            expected=f"that it exists in this region and that {action} on it is allowed",
            found=f"{code}: {text}",
            fix=f"Check its name and the region, and allow {action} to whom AWS names there.",
        ) from error


def of_workgroup(client: "Client", workgroup: str, database: str, find_host: bool) -> Credentials:
    """Return temporary credentials of a Redshift Serverless workgroup.

    Needs redshift-serverless:GetCredentials on the workgroup and, for the address, GetWorkgroup.
    """
    where = f"Redshift Serverless workgroup {workgroup}"
    with asking_for("redshift-serverless:GetCredentials", where):
        given = client.get_credentials(
            workgroupName=workgroup, dbName=database, durationSeconds=DURATION_SECONDS
        )
    endpoint: dict[str, Any] = {}
    if find_host:
        with asking_for("redshift-serverless:GetWorkgroup", where):
            found = client.get_workgroup(workgroupName=workgroup)["workgroup"]
        endpoint = found.get("endpoint", {})  # none while it is being made
    return Credentials(
        given["dbUser"],
        given["dbPassword"],
        given["expiration"],
        endpoint.get("address", ""),
        endpoint.get("port", PORT),
    )


def of_cluster(client: "Client", cluster: str, database: str, find_host: bool) -> Credentials:
    """Return temporary credentials of a provisioned cluster.

    Needs redshift:GetClusterCredentialsWithIAM on the database's name and, for the address,
    redshift:DescribeClusters.
    """
    where = f"Redshift cluster {cluster}, database {database}"
    with asking_for("redshift:GetClusterCredentialsWithIAM", where):
        given = client.get_cluster_credentials_with_iam(
            ClusterIdentifier=cluster, DbName=database, DurationSeconds=DURATION_SECONDS
        )
    endpoint: dict[str, Any] = {}
    if find_host:
        with asking_for("redshift:DescribeClusters", where):
            (found,) = client.describe_clusters(ClusterIdentifier=cluster)["Clusters"]
        endpoint = found.get("Endpoint", {})  # a paused or new cluster has none
    return Credentials(
        given["DbUser"],
        given["DbPassword"],
        given["Expiration"],
        endpoint.get("Address", ""),
        endpoint.get("Port", PORT),
    )


def of_secret(client: "Client", secret: str) -> Credentials:
    """Return what a Secrets Manager secret holds: username, password, perhaps host and port.

    Needs secretsmanager:GetSecretValue on the secret, and kms:Decrypt where its key is one's own.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html

    Raises:
        DataError: it is of another form.
    """
    where = f"Secrets Manager secret {secret}"
    with asking_for("secretsmanager:GetSecretValue", where):
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
        # Not `from` the error, which may quote the secret.
        raise DataError(
            "The secret is of another form.",
            where=where,
            expected='a JSON object with "username" and "password"; "host" and "port" if it has '
            "them",
            found="something else, not shown here",
            fix="Name in REDSHIFT_SECRET the secret that Redshift manages, or one of that form.",
        ) from None
