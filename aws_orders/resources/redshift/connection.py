"""Opening a connection to the warehouse: TLS, keepalives, and what is wrong where it fails.

Belongs here: libpq's parameters and its complaints. Does not belong here: whose password it is
(`redshift_credentials`), and what is done with the connection (`redshift`).
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_orders.errors import DataError
from aws_orders.resources.redshift.credentials import Credentials

if TYPE_CHECKING:
    from psycopg2.extensions import connection


@dataclass(frozen=True)
class Address:
    """Where the warehouse is, and how its certificate is checked.

    Attributes:
        sslmode: libpq's; verify-full checks who signed the certificate, and for which host.
        sslrootcert: File of trusted roots; empty: certifi's.
    """

    host: str
    port: int
    database: str
    sslmode: str
    sslrootcert: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


class PasswordRefusedError(DataError):
    """The warehouse knows another password, or no such user."""


def trusted_roots() -> str:
    """Return the path of certifi's roots: Amazon's and Starfield's are among them.

    Not libpq's "system": psycopg2's wheels bring an OpenSSL that looks for the system's roots
    in a directory of the machine that built it.
    https://docs.aws.amazon.com/redshift/latest/mgmt/connecting-ssl-support.html
    """
    import certifi

    return certifi.where()


def connect(address: Address, credentials: Credentials, timeout_seconds: int) -> "connection":
    """Open a connection.

    Raises:
        PasswordRefusedError: other credentials may do.
        DataError: the certificate, the host's name or the database is not right.
        psycopg2.OperationalError: anything else, which may pass.
    """
    import psycopg2

    verifies = address.sslmode.startswith("verify")
    try:
        # Load balancers drop connections that are idle for 350 s; a long COPY looks idle.
        # https://docs.aws.amazon.com/redshift/latest/mgmt/connecting-firewall-guidance.html
        return psycopg2.connect(
            host=address.host,
            port=address.port,
            dbname=address.database,
            user=credentials.user,
            password=credentials.password,
            sslmode=address.sslmode,
            sslrootcert=(address.sslrootcert or trusted_roots()) if verifies else None,
            client_encoding="UTF8",
            connect_timeout=timeout_seconds,
            keepalives_idle=200,
            keepalives_interval=200,
            keepalives_count=5,
            application_name="aws_orders",
        )
    except psycopg2.OperationalError as error:
        if fault := explain(str(error).strip(), address, credentials.user):
            raise fault from error
        raise


@dataclass(frozen=True)
class _Fault:
    """What libpq says, and what it means."""

    pattern: str
    what: str
    expected: str
    fix: str


_FAULTS = (
    _Fault(
        "certificate verify failed",
        "The warehouse's certificate is signed by nobody that is trusted here.",
        "a certificate that goes back to a root in {roots}",
        "Check that the host is the warehouse's own. Where it has a certificate of your own, "
        "name your root's file in REDSHIFT_SSLROOTCERT.",
    ),
    _Fault(
        "does not match host name",
        "The warehouse's certificate is made out to another host.",
        "a certificate for {host}",
        "Set REDSHIFT_HOST to the endpoint's name as AWS gives it, not to an alias or an address.",
    ),
    _Fault(
        "root certificate file|no root certificate|certificate store",
        "The trusted roots cannot be read.",
        "certificates in {roots}",
        "Name a file in REDSHIFT_SSLROOTCERT, or unset it to trust the usual ones.",
    ),
    _Fault(
        "does not support SSL",
        "The server does not speak TLS.",
        "TLS, as sslmode {sslmode} asks for",
        "Check host and port. REDSHIFT_SSLMODE=disable is for a server on this machine alone.",
    ),
    _Fault(
        'database "[^"]*" does not exist',
        "The warehouse has no such database.",
        "the database {database}",
        "Correct REDSHIFT_DATABASE, or create the database.",
    ),
)


def explain(text: str, address: Address, user: str) -> DataError | None:
    """Return the fault that libpq's `text` tells of; None where trying again may help."""
    if re.search("authentication failed|password.* expired", text):
        return PasswordRefusedError(
            "The warehouse refused the password.",
            where=str(address),
            expected=f"that user {user} may connect",
            found=text,
            fix="Correct user and password, or what REDSHIFT_AUTH takes them from.",
        )
    for fault in _FAULTS:
        if re.search(fault.pattern, text):
            return DataError(
                fault.what,
                where=str(address),
                expected=fault.expected.format(
                    host=address.host,
                    database=address.database,
                    sslmode=address.sslmode,
                    roots=address.sslrootcert or "certifi's bundle",
                ),
                found=text,
                fix=fault.fix,
            )
    return None
