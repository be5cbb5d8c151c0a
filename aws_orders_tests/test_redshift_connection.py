"""Connecting to the warehouse: whose password, over which TLS, and what is said where it fails."""

import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_orders.errors import DataError
from aws_orders.resources.redshift.connection import PasswordRefusedError, trusted_roots
from aws_orders.resources.redshift.credentials import Credentials, CredentialsCache
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders_tests import servers
from laptop_aws.stack import Stack

DATABASE, USER = "dev", "awsuser"


@pytest.fixture
def aws(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[servers.Aws]:
    """Serve Redshift's own APIs, which the laptop's AWS lacks."""
    with servers.aws() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT", running.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS", running.url)
        yield running


@pytest.fixture
def password(stack: Stack) -> str:
    return stack.environment()["REDSHIFT_PASSWORD"]


def resource(**settings: Any) -> RedshiftResource:
    return RedshiftResource(**{"database": DATABASE, "sslmode": "disable", **settings})


def who(redshift: RedshiftResource) -> str:
    with redshift.session() as session:
        return str(session.scalar("SELECT current_user"))


def workgroup_answers(
    aws: servers.Aws, stack: Stack, *passwords: str, seconds: float = 3600
) -> None:
    """Have the workgroup's API hand out `passwords`, one after another, the last for ever."""
    left = list(passwords)

    def credentials(_: dict[str, Any]) -> servers.Answer:
        given = left.pop(0) if len(left) > 1 else left[0]
        expires = datetime.now(UTC).timestamp() + seconds
        return 200, json.dumps({"dbUser": USER, "dbPassword": given, "expiration": expires})

    endpoint = {"address": "127.0.0.1", "port": stack.redshift_port}
    aws.answers["GetCredentials"] = credentials
    aws.answers["GetWorkgroup"] = lambda _: (200, json.dumps({"workgroup": {"endpoint": endpoint}}))


def test_a_workgroup_gives_temporary_credentials_and_its_address(
    aws: servers.Aws, stack: Stack, password: str
) -> None:
    workgroup_answers(aws, stack, password)
    assert who(resource(auth="serverless", workgroup="orders")) == USER
    asked = {"workgroupName": "orders", "dbName": DATABASE, "durationSeconds": 3600}
    assert aws.asked == [
        ("GetCredentials", asked),
        ("GetWorkgroup", {"workgroupName": "orders"}),
    ]


def test_a_cluster_gives_temporary_credentials_and_its_address(
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


def test_the_warehouse_may_be_in_a_region_of_its_own(
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


def test_a_secret_gives_user_password_and_address(stack: Stack, password: str) -> None:
    address = {"host": "127.0.0.1", "port": stack.redshift_port}
    arn = secret(username=USER, password=password, **address)
    assert who(resource(auth="secret", secret=arn)) == USER
    bare = secret(username=USER, password=password)
    assert who(resource(auth="secret", secret=bare, **address)) == USER


def test_a_secret_that_is_rotated_during_a_run_is_fetched_anew(stack: Stack, password: str) -> None:
    address = {"host": "127.0.0.1", "port": stack.redshift_port}
    arn = secret(username=USER, password="before the rotation", **address)
    redshift = resource(auth="secret", secret=arn)
    with pytest.raises(PasswordRefusedError):
        who(redshift)
    with closing(boto3.client("secretsmanager")) as client:
        held = {"username": USER, "password": password, **address}
        client.put_secret_value(SecretId=arn, SecretString=json.dumps(held))
    assert who(redshift) == USER


def test_a_secret_of_another_form_is_told_of_but_not_shown(stack: Stack) -> None:
    arn = secret(user="planted-user", pass_="planted-password")
    with pytest.raises(DataError) as raised:
        who(resource(auth="secret", secret=arn, host="127.0.0.1"))
    assert arn in str(raised.value)
    assert '"username" and "password"' in str(raised.value)
    assert "planted" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_credentials_serve_many_sessions_and_threads_until_they_are_about_to_expire(
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


def test_a_refused_password_is_fetched_anew_once(
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


def test_a_run_meets_no_expired_credentials_however_long_it_takes() -> None:
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


def test_the_password_is_in_no_text_that_tells_of_credentials_or_of_the_resource() -> None:
    assert "planted" not in repr(Credentials("me", "planted"))
    assert "planted" not in repr(resource(host="x", user="me", password="planted"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"auth": "kerberos"}, "expected: password, serverless, cluster, secret"),
        ({"host": "x", "user": "me"}, "no REDSHIFT_PASSWORD"),
        ({}, "no REDSHIFT_HOST, no REDSHIFT_USER, no REDSHIFT_PASSWORD"),
        ({"auth": "serverless"}, "no REDSHIFT_WORKGROUP"),
        ({"auth": "cluster", "user": "me"}, "no REDSHIFT_CLUSTER"),
        ({"auth": "secret"}, "no REDSHIFT_SECRET"),
    ],
)
def test_missing_settings_are_named_as_the_environment_has_them(
    settings: dict[str, str], told: str
) -> None:
    with pytest.raises(DataError) as raised:
        who(resource(**settings))
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "action"),
    [
        ({"auth": "serverless", "workgroup": "orders"}, "redshift-serverless:GetCredentials"),
        ({"auth": "cluster", "cluster": "orders"}, "redshift:GetClusterCredentialsWithIAM"),
    ],
)
def test_what_aws_denies_is_told_with_what_to_allow(
    aws: servers.Aws, settings: dict[str, str], action: str
) -> None:
    with pytest.raises(DataError) as raised:
        who(resource(**settings))
    assert f"allow {action}" in raised.value.fix
    assert "arn:aws:iam::123456789012:user/me may not" in raised.value.found


def test_a_warehouse_without_an_endpoint_is_told_of(
    aws: servers.Aws, stack: Stack, password: str
) -> None:
    workgroup_answers(aws, stack, password)
    aws.answers["GetWorkgroup"] = lambda _: (200, json.dumps({"workgroup": {}}))
    with pytest.raises(DataError, match="address is not known"):
        who(resource(auth="serverless", workgroup="orders"))


@pytest.fixture
def ours(tmp_path: Path) -> servers.Authority:
    return servers.authority(tmp_path, "ours")


@pytest.fixture
def secure(stack: Stack, ours: servers.Authority, tmp_path: Path) -> Iterator[int]:
    """Serve TLS in front of the laptop's Redshift, as "localhost"."""
    with servers.tls_before(stack.redshift_port, ours.certify("localhost", tmp_path)) as port:
        yield port


def verifying(port: int, password: str, **settings: Any) -> RedshiftResource:
    common = {"host": "localhost", "user": USER, "password": password, "sslmode": "verify-full"}
    return resource(port=port, **{**common, **settings})


def test_a_certificate_is_checked_and_the_session_encrypted(
    secure: int, ours: servers.Authority, password: str
) -> None:
    redshift = verifying(secure, password, sslrootcert=str(ours.roots))
    with redshift.session() as session:
        assert session.scalar("SELECT 1") == 1
        info = session.connection.info
        assert info.ssl_in_use
        assert info.ssl_attribute("protocol") in ("TLSv1.2", "TLSv1.3")
        assert info.dsn_parameters["keepalives_idle"] == "200"


@pytest.mark.parametrize("roots", ["theirs", "the default"])
def test_a_certificate_that_nobody_trusted_signed_is_refused(
    secure: int, password: str, tmp_path: Path, roots: str
) -> None:
    theirs = str(servers.authority(tmp_path, "theirs").roots) if roots == "theirs" else ""
    with pytest.raises(DataError, match="signed by nobody that is trusted") as raised:
        who(verifying(secure, password, sslrootcert=theirs))
    assert (theirs or "certifi's bundle") in raised.value.expected
    assert "REDSHIFT_SSLROOTCERT" in raised.value.fix


def test_a_certificate_for_another_host_is_refused(
    secure: int, ours: servers.Authority, password: str
) -> None:
    with pytest.raises(DataError, match="made out to another host") as raised:
        who(verifying(secure, password, sslrootcert=str(ours.roots), host="127.0.0.1"))
    assert "REDSHIFT_HOST" in raised.value.fix


def test_roots_that_are_not_there_are_told_of(secure: int, password: str) -> None:
    with pytest.raises(DataError, match="roots cannot be read"):
        who(verifying(secure, password, sslrootcert="/nowhere/roots.pem"))


def test_a_server_without_tls_is_refused_by_default(stack: Stack, password: str) -> None:
    with pytest.raises(DataError, match="does not speak TLS"):
        who(verifying(stack.redshift_port, password))
    assert RedshiftResource(database="dev").sslmode == "verify-full"


def test_a_database_that_is_not_there_is_told_of(stack: Stack, password: str) -> None:
    address = {"host": "127.0.0.1", "port": stack.redshift_port}
    with pytest.raises(DataError, match="no such database") as raised:
        who(resource(user=USER, password=password, database="prod", **address))
    assert "REDSHIFT_DATABASE" in raised.value.fix


def test_what_no_retry_mends_is_not_retried(stack: Stack) -> None:
    waits: list[float] = []
    address = {"host": "127.0.0.1", "port": stack.redshift_port}
    with pytest.raises(PasswordRefusedError):
        resource(user=USER, password="wrong", **address).run(lambda _: None, waits.append)
    assert waits == []


def test_the_default_roots_have_those_of_redshifts_certificates() -> None:
    # https://docs.aws.amazon.com/redshift/latest/mgmt/connecting-ssl-support.html
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(trusted_roots())
    names = {
        dict(part[0] for part in root["subject"])["commonName"]  # type: ignore[misc]
        for root in context.get_ca_certs()
        if any(part[0][0] == "commonName" for part in root["subject"])
    }
    assert names >= {f"Amazon Root CA {number}" for number in (1, 2, 3, 4)}
    assert "Starfield Services Root Certificate Authority - G2" in names
