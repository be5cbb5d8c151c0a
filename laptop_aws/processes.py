"""The stack's child processes: their commands, their environment, and the guard around each.

The state directory and its lock are in `stack`; the guard's own program is `guard`.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from laptop_aws import guard, postgres
from laptop_aws.errors import StackError

Children = list[subprocess.Popen[bytes]]
PYTHON = (sys.executable, "-m")


@contextmanager
def guarded(
    command: list[str],
    *,
    signal: str,
    log: Path | None = None,
    lock: int | None = None,
    **kwargs: object,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command under a guard, which stops it when the block or this process ends.

    Args:
        command: The command and its arguments.
        signal: The name of the signal that stops the command cleanly, such as SIGTERM.
        log: The file to append its output to; by default the output of this process.
        lock: A descriptor that the guard keeps open until the command has ended.
        kwargs: Passed to Popen (cwd, env).
    """
    with ExitStack() as files:
        output = files.enter_context(log.open("ab")) if log else None
        # A separate session: Ctrl-C reaches only this process, which stops the others in order.
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", guard.__file__, signal, *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=() if lock is None else (lock,),
            **kwargs,  # type: ignore[call-overload]
        )
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()


def start(
    state: Path,
    stop: ExitStack,
    *,
    lock: int,
    aws_port: int,
    redshift: Sequence[str],
    inherited: Mapping[str, str],
    connection: Mapping[str, str],
) -> Children:
    """Start ministack, PostgreSQL and the relay; raise StackError if PostgreSQL cannot run.

    Args:
        state: The directory for their data and logs.
        stop: Receives the guards, and ends them in reverse order.
        lock: A descriptor that each guard keeps open.
        aws_port: The port of S3, DynamoDB, SQS and SNS.
        redshift: The relay's command-line options, without the data directory.
        inherited: The environment of each process.
        connection: The relay's additional variables.
    """
    logs, data, aws = state / "logs", state / "postgres", state / "aws"
    for directory in (logs, aws):
        directory.mkdir(exist_ok=True)
    children: Children = []

    def child(name: str, signal: str, command: list[str], **options: object) -> None:
        guard = guarded(command, signal=signal, log=logs / f"{name}.log", lock=lock, **options)
        children.append(stop.enter_context(guard))

    ministack = {**inherited, **_ministack_settings(aws, aws_port)}
    child("aws", "SIGTERM", [*PYTHON, "ministack"], env=ministack)
    try:
        postgres.initialise(data)
        child("postgres", "SIGINT", postgres.command(data), cwd=data)
    except postgres.PostgresError as error:
        raise StackError(str(error)) from error
    relay = [*PYTHON, "laptop_aws.redshift", "--data-dir", str(data), *redshift]
    child("redshift", "SIGTERM", relay, env={**inherited, **connection})
    return children


def _ministack_settings(directory: Path, port: int) -> dict[str, str]:
    return {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3,dynamodb,sqs,sns,sts,secretsmanager",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(directory / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(directory / "s3"),
        "TMPDIR": str(directory),  # for its pid file
        "LOG_LEVEL": "WARNING",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
    }


def log_tails(state: Path) -> str:
    """Return the last five lines of each process's log."""
    tails = []
    for log in sorted((state / "logs").glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-5:]
        tails.append("\n".join([f"{log}:", *(f"  {line}" for line in lines)]))
    return "\n".join(tails)
