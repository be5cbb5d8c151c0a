"""Opens a connection to the warehouse: TLS, keepalives, and what libpq's errors mean.

See `credentials` for user and password, and `session` for operations on the connection.
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
    """The warehouse's endpoint, and how its certificate is verified.

    Attributes:
        host: The host name.
        port: The port.
        database: The database.
        sslmode: libpq's sslmode; verify-full verifies the signature and the host name.
        sslrootcert: File of trusted root certificates; empty: certifi's.
    """

    host: str
    port: int
    database: str
    sslmode: str
    sslrootcert: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


class PasswordRefusedError(DataError):
    """The warehouse refused user and password."""


def trusted_roots() -> str:
    """Return the path of certifi's root certificates, which include Amazon's and Starfield's.

    libpq's "system" does not work: the OpenSSL in psycopg2's wheels looks for the system's roots
    in a directory of the machine that built it.
    https://docs.aws.amazon.com/redshift/latest/mgmt/connecting-ssl-support.html
    """
    import certifi

    return certifi.where()


def connect(address: Address, credentials: Credentials, timeout_seconds: int) -> "connection":
    """Open a connection.

    Raises:
        PasswordRefusedError: other credentials may work.
        DataError: the certificate, the host name or the database is wrong.
        psycopg2.OperationalError: any other failure, which may be transient.
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
        if explained := explain_connection_error(str(error).strip(), address, credentials.user):
            raise explained from error
        raise


@dataclass(frozen=True)
class _Explanation:
    """A pattern in libpq's message, and what it means."""

    pattern: str
    what: str
    expected: str
    fix: str


_EXPLANATIONS = (
    _Explanation(
        "certificate verify failed",
        "The warehouse's certificate is not signed by a trusted authority.",
        "a certificate whose chain ends at a root in {roots}",
        "Check that REDSHIFT_HOST is the warehouse. If its certificate is from your own authority, "
        "set REDSHIFT_SSLROOTCERT to the file with that authority's root certificate.",
    ),
    _Explanation(
        "does not match host name",
        "The warehouse's certificate is for another host.",
        "a certificate for {host}",
        "Set REDSHIFT_HOST to the endpoint's name that AWS shows, not to an alias or an address.",
    ),
    _Explanation(
        "root certificate file|no root certificate|certificate store",
        "The trusted root certificates cannot be read.",
        "certificates in {roots}",
        "Set REDSHIFT_SSLROOTCERT to a file that exists, or unset it to use certifi's.",
    ),
    _Explanation(
        "does not support SSL",
        "The server does not support TLS.",
        "TLS, which sslmode {sslmode} requires",
        "Check host and port. Use REDSHIFT_SSLMODE=disable only for a server on this machine.",
    ),
    _Explanation(
        'database "[^"]*" does not exist',
        "The database does not exist.",
        "the database {database}",
        "Correct REDSHIFT_DATABASE, or create the database.",
    ),
)


def explain_connection_error(text: str, address: Address, user: str) -> DataError | None:
    """Return what libpq's message `text` means; None if another attempt may succeed."""
    if re.search("authentication failed|password.* expired", text):
        return PasswordRefusedError(
            "The warehouse refused user and password.",
            where=str(address),
            expected=f"the password of user {user}",
            found=text,
            fix="Correct the user and the password, or their source, REDSHIFT_AUTH.",
        )
    for known in _EXPLANATIONS:
        if re.search(known.pattern, text):
            return DataError(
                known.what,
                where=str(address),
                expected=known.expected.format(
                    host=address.host,
                    database=address.database,
                    sslmode=address.sslmode,
                    roots=address.sslrootcert or "certifi's bundle",
                ),
                found=text,
                fix=known.fix,
            )
    return None
