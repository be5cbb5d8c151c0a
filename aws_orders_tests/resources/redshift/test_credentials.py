"""Credentials for the warehouse: where they come from, and when they are renewed."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from aws_orders.errors import DataError
from aws_orders.resources.redshift.connection import PasswordRefusedError
from aws_orders.resources.redshift.credentials import Credentials, CredentialsCache
from aws_orders_tests import servers
from aws_orders_tests.resources.redshift.conftest import DATABASE, USER, resource, who
from laptop_aws.stack import Stack


@pytest.fixture
def aws(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[servers.Aws]:
    """Serve the APIs of Redshift, which the laptop's AWS lacks."""
    with servers.aws() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT", running.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS", running.url)
        yield running


def workgroup_answers(
    aws: servers.Aws, stack: Stack, *passwords: str, seconds: float = 3600
) -> None:
    """Let the workgroup's API return `passwords` one after another, the last one repeatedly."""
    left = list(passwords)

    def credentials(_: dict[str, Any]) -> servers.Answer:
        given = left.pop(0) if len(left) > 1 else left[0]
        expires = datetime.now(UTC).timestamp() + seconds
        return 200, json.dumps({"dbUser": USER, "dbPassword": given, "expiration": expires})

    endpoint = {"address": "127.0.0.1", "port": stack.redshift_port}
    aws.answers["GetCredentials"] = credentials
    aws.answers["GetWorkgroup"] = lambda _: (200, json.dumps({"workgroup": {"endpoint": endpoint}}))


def test_a_workgroup_returns_temporary_credentials_and_its_address(
    aws: servers.Aws, stack: Stack, password: str
) -> None:
    workgroup_answers(aws, stack, password)
    assert who(resource(auth="serverless", workgroup="orders")) == USER
    asked = {"workgroupName": "orders", "dbName": DATABASE, "durationSeconds": 3600}
    assert aws.asked == [
        ("GetCredentials", asked),
        ("GetWorkgroup", {"workgroupName": "orders"}),
    ]


def test_a_cluster_returns_temporary_credentials_and_its_address(
    aws: servers.Aws, stack: Stack, password: str
) -> None:
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    aws.answers["GetClusterCredentialsWithIAM"] = lambda _: (
        200,
        "<R><GetClusterCredentialsWithIAMResult>"
        f"<DbUser>{USER}</DbUser><DbPassword>{password}</DbPassword>"
        f"<Expiration>{expires}</Expiration>"
        "</GetClusterCredentialsWithIAMResult></R>",
    )
    aws.answers["DescribeClusters"] = lambda _: (
        200,
        "<R><DescribeClustersResult><Clusters><Cluster><Endpoint>"
        f"<Address>127.0.0.1</Address><Port>{stack.redshift_port}</Port>"
        "</Endpoint></Cluster></Clusters></DescribeClustersResult></R>",
    )
    assert who(resource(auth="cluster", cluster="orders")) == USER
    (_, asked), _ = aws.asked
    assert (asked["ClusterIdentifier"], asked["DbName"]) == ("orders", DATABASE)
    assert asked["DurationSeconds"] == "3600"


def test_an_address_that_is_set_is_not_looked_up(
    aws: servers.Aws, stack: Stack, password: str
) -> None:
    workgroup_answers(aws, stack, password)
    set_address = {"host": "localhost", "port": stack.redshift_port}
    assert who(resource(auth="serverless", workgroup="orders", **set_address)) == USER
    assert aws.count("GetWorkgroup") == 0


def test_the_warehouse_may_be_in_another_region(
    aws: servers.Aws, stack: Stack, password: str
) -> None:
    workgroup_answers(aws, stack, password)
    who(resource(auth="serverless", workgroup="orders", region_name="eu-north-1"))
    who(resource(auth="serverless", workgroup="orders"))
    assert aws.regions == {"eu-north-1", "us-east-1"}


def secret(**held: Any) -> str:
    """Store a secret on the laptop's AWS; return its ARN."""
    with closing(boto3.client("secretsmanager")) as client:
        name = f"warehouse-{datetime.now(UTC).timestamp()}"
        arn = client.create_secret(Name=name, SecretString=json.dumps(held))["ARN"]
        return str(arn)


def test_a_secret_has_user_password_and_address(stack: Stack, password: str) -> None:
    address = {"host": "127.0.0.1", "port": stack.redshift_port}
    arn = secret(username=USER, password=password, **address)
    assert who(resource(auth="secret", secret=arn)) == USER
    bare = secret(username=USER, password=password)
    assert who(resource(auth="secret", secret=bare, **address)) == USER


def test_a_secret_that_is_rotated_during_a_run_is_fetched_again(
    stack: Stack, password: str
) -> None:
    address = {"host": "127.0.0.1", "port": stack.redshift_port}
    arn = secret(username=USER, password="before the rotation", **address)
    redshift = resource(auth="secret", secret=arn)
    with pytest.raises(PasswordRefusedError):
        who(redshift)
    with closing(boto3.client("secretsmanager")) as client:
        held = {"username": USER, "password": password, **address}
        client.put_secret_value(SecretId=arn, SecretString=json.dumps(held))
    assert who(redshift) == USER


def test_a_secret_with_another_format_is_reported_but_not_shown(stack: Stack) -> None:
    arn = secret(user="planted-user", pass_="planted-password")
    with pytest.raises(DataError) as raised:
        who(resource(auth="secret", secret=arn, host="127.0.0.1"))
    assert arn in str(raised.value)
    assert '"username" and "password"' in str(raised.value)
    assert "planted" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_credentials_are_shared_by_sessions_and_threads_until_shortly_before_they_expire(
    aws: servers.Aws, stack: Stack, password: str
) -> None:
    workgroup_answers(aws, stack, password)
    redshift = resource(auth="serverless", workgroup="orders")
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: who(redshift), range(16))) == {USER}
    assert aws.count("GetCredentials") == 1
    workgroup_answers(aws, stack, password, seconds=120)
    short = resource(auth="serverless", workgroup="orders")
    assert [who(short), who(short)] == [USER, USER]
    assert aws.count("GetCredentials") == 3


def test_refused_credentials_are_fetched_again_once(
    aws: servers.Aws, stack: Stack, password: str
) -> None:
    workgroup_answers(aws, stack, "revoked", password)
    assert who(resource(auth="serverless", workgroup="orders")) == USER
    assert aws.count("GetCredentials") == 2
    workgroup_answers(aws, stack, "revoked for good")
    with pytest.raises(PasswordRefusedError) as raised:
        who(resource(auth="serverless", workgroup="orders"))
    assert aws.count("GetCredentials") == 4
    assert "revoked for good" not in str(raised.value)


def test_a_long_run_never_has_expired_credentials() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    fetched = []

    def fetch() -> Credentials:
        fetched.append(now)
        return Credentials("me", "x", expires=now + timedelta(hours=1))

    cache = CredentialsCache(now=lambda: now)
    for minute in range(600):
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
        expires = cache.get(fetch).expires
        assert expires is not None
        assert expires - now >= timedelta(minutes=5)
    assert len(fetched) == 11


def test_the_password_is_not_in_the_text_of_credentials_or_of_the_resource() -> None:
    assert "planted" not in repr(Credentials("me", "planted"))
    assert "planted" not in repr(resource(host="x", user="me", password="planted"))


@pytest.mark.parametrize(
    ("settings", "action"),
    [
        ({"auth": "serverless", "workgroup": "orders"}, "redshift-serverless:GetCredentials"),
        ({"auth": "cluster", "cluster": "orders"}, "redshift:GetClusterCredentialsWithIAM"),
    ],
)
def test_denied_access_is_reported_with_the_action_to_allow(
    aws: servers.Aws, settings: dict[str, str], action: str
) -> None:
    with pytest.raises(DataError) as raised:
        who(resource(**settings))
    assert f"allow {action}" in raised.value.fix
    assert "arn:aws:iam::123456789012:user/me may not" in raised.value.found


def test_a_warehouse_without_an_endpoint_is_reported(
    aws: servers.Aws, stack: Stack, password: str
) -> None:
    workgroup_answers(aws, stack, password)
    aws.answers["GetWorkgroup"] = lambda _: (200, json.dumps({"workgroup": {}}))
    with pytest.raises(DataError, match="address of the warehouse is not known"):
        who(resource(auth="serverless", workgroup="orders"))
