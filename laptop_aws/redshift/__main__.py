"""``python -m laptop_aws.redshift``: serve Redshift's protocol on a running PostgreSQL."""

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

from laptop_aws.redshift.bootstrap import bootstrap, wait_for_postgres
from laptop_aws.redshift.relay import serve

log = logging.getLogger("redshift")


def main() -> None:
    """Wait for PostgreSQL, prepare it, and serve until SIGTERM or SIGINT."""
    arguments = _arguments()
    logging.basicConfig(format="redshift: %(message)s", level=logging.INFO)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    password = os.environ.get("REDSHIFT_PASSWORD")
    if not password:
        sys.exit("redshift: REDSHIFT_PASSWORD is not set")
    # The path of PostgreSQL's socket is relative: see postgres.command().
    os.chdir(arguments.data_dir)
    wait_for_postgres(seconds=20)
    bootstrap(arguments.database, arguments.user, password)
    with socket.create_server((arguments.host, arguments.port), backlog=128) as listener:
        log.info("listening on %s:%d", *listener.getsockname()[:2])
        threading.Thread(target=_warm_up, daemon=True).start()
        serve(listener)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m laptop_aws.redshift")
    parser.add_argument("--data-dir", type=Path, required=True, help="PostgreSQL's data directory")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5439)
    parser.add_argument("--database", default="dev")
    parser.add_argument("--user", default="awsuser")
    return parser.parse_args()


def _stop(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    # Sessions end with their sockets, and PostgreSQL rolls back their transactions. A normal exit
    # would wait for the threads of a COPY in progress.
    os._exit(0)


def _warm_up() -> None:
    """Import boto3 and create its clients, so that the first COPY does not wait for that."""
    from laptop_aws.redshift import storage

    storage.s3()
    storage.dynamodb()


if __name__ == "__main__":
    main()
