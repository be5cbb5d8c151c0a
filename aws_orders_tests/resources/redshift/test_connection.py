"""Connecting to the warehouse: TLS, settings, and what a failure reports."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aws_orders.errors import DataError
from aws_orders.resources.redshift.connection import PasswordRefusedError, trusted_roots
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders_tests import servers
from aws_orders_tests.resources.redshift.conftest import USER, resource, who
from laptop_aws.stack import Stack


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"auth": "kerberos"}, "expected: password, serverless, cluster, secret"),
        ({"host": "x", "user": "me"}, "no REDSHIFT_PASSWORD"),
        ({}, "no REDSHIFT_HOST, no REDSHIFT_USER, no REDSHIFT_PASSWORD"),
        ({"auth": "serverless"}, "no REDSHIFT_WORKGROUP"),
        ({"auth": "cluster", "user": "me"}, "no REDSHIFT_CLUSTER"),
        ({"auth": "secret"}, "no REDSHIFT_SECRET"),
    ],
)
def test_missing_settings_are_named_by_their_environment_variables(
    settings: dict[str, str], text: str
) -> None:
    with pytest.raises(DataError) as raised:
        who(resource(**settings))
    assert text in str(raised.value)


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


def test_the_certificate_is_verified_and_the_session_encrypted(
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
def test_a_certificate_without_a_trusted_authority_is_refused(
    secure: int, password: str, tmp_path: Path, roots: str
) -> None:
    theirs = str(servers.authority(tmp_path, "theirs").roots) if roots == "theirs" else ""
    with pytest.raises(DataError, match="not signed by a trusted authority") as raised:
        who(verifying(secure, password, sslrootcert=theirs))
    assert (theirs or "certifi's bundle") in raised.value.expected
    assert "REDSHIFT_SSLROOTCERT" in raised.value.fix


def test_a_certificate_for_another_host_is_refused(
    secure: int, ours: servers.Authority, password: str
) -> None:
    with pytest.raises(DataError, match="is for another host") as raised:
        who(verifying(secure, password, sslrootcert=str(ours.roots), host="127.0.0.1"))
    assert "REDSHIFT_HOST" in raised.value.fix


def test_missing_root_certificates_are_reported(secure: int, password: str) -> None:
    with pytest.raises(DataError, match="root certificates cannot be read"):
        who(verifying(secure, password, sslrootcert="/nowhere/roots.pem"))


def test_a_server_without_tls_is_refused_by_default(stack: Stack, password: str) -> None:
    with pytest.raises(DataError, match="does not support TLS"):
        who(verifying(stack.redshift_port, password))
    assert RedshiftResource(database="dev").sslmode == "verify-full"


def test_a_missing_database_is_reported(stack: Stack, password: str) -> None:
    address = {"host": "127.0.0.1", "port": stack.redshift_port}
    with pytest.raises(DataError, match="database does not exist") as raised:
        who(resource(user=USER, password=password, database="prod", **address))
    assert "REDSHIFT_DATABASE" in raised.value.fix


def test_permanent_errors_are_not_retried(stack: Stack) -> None:
    waits: list[float] = []
    address = {"host": "127.0.0.1", "port": stack.redshift_port}
    with pytest.raises(PasswordRefusedError):
        resource(user=USER, password="wrong", **address).run(lambda _: None, waits.append)
    assert waits == []


def test_the_default_root_certificates_include_redshifts() -> None:
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
