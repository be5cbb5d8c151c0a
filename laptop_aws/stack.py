"""The stack: the stand-ins' processes, their ports, and the environment that points at them.

A state directory has at most one stack; a lock on a file in it says whether there is one. The
lock is shared with the guards of all children, so that it is free only once the last of them is
gone, and a new stack never meets an old one's files. What each stand-in does is its own matter.
"""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from laptop_aws import guard, ports, postgres
from laptop_aws.errors import StackError, usable

BUCKET = "aws-orders"
REGION = "us-east-1"
DATABASE, USER, PASSWORD = "dev", "awsuser", "Local-laptop-0nly"
# Only the laptop's stand-ins take these; AWS's SDKs want to see some.
KEY_ID, SECRET_KEY = "local", "local"
AWS_PORT, REDSHIFT_PORT = 4566, 5439
START_SECONDS, HANDOVER_SECONDS = 120, 60
# What does not run refuses at once; what runs may be slow where the machine has more to do.
ANSWER_SECONDS = 30
# Settings of the user's own that would lead a client past the stand-ins.
FOREIGN = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_DYNAMODB")


@dataclass(frozen=True)
class Stack:
    """A running stack: its state directory and the two ports that it serves on 127.0.0.1."""

    state: str
    aws_port: int
    redshift_port: int

    def environment(self, products_feed: str, orders_feed: str) -> dict[str, str]:
        """Return the environment that makes the platform, and any AWS client, use this stack."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.aws_port}",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ORDERS_BUCKET": BUCKET,
            "AWS_ORDERS_PRODUCTS_TABLE": "products",
            "AWS_ORDERS_PRODUCTS_FEED": products_feed,
            "AWS_ORDERS_ORDERS_FEED": orders_feed,
            "REDSHIFT_AUTH": "password",
            "REDSHIFT_HOST": "127.0.0.1",
            "REDSHIFT_PORT": str(self.redshift_port),
            "REDSHIFT_DATABASE": DATABASE,
            "REDSHIFT_USER": USER,
            "REDSHIFT_PASSWORD": PASSWORD,
            "REDSHIFT_SSLMODE": "disable",
            "REDSHIFT_IAM_ROLE": "arn:aws:iam::000000000000:role/aws-orders-warehouse",
            "DAGSTER_HOME": str(dagster_home(Path(self.state))),
        }


def dagster_home(state: Path) -> Path:
    """Return the directory in which Dagster keeps runs and events of this state directory."""
    return state / "dagster"


def find(state: Path) -> Stack | None:
    """Return the stack that runs on `state`, or None."""
    absent = suppress(FileNotFoundError, NotADirectoryError)
    with usable(state), absent, (state / "stack.json").open() as file:
        stack = Stack(**json.load(file))
        if _locked(state) and _answers(stack):
            return stack
    return None


Children = list[subprocess.Popen[bytes]]


@contextmanager
def running(state: Path) -> Iterator[tuple[Stack, Children]]:
    """Use the stack on `state`: the one that runs, or else one started here and stopped after.

    Yields the stack, perhaps not ready yet (`wait_ready`), and the children that were started
    for it here: none where it ran already.

    Raises:
        StackError: another stack there neither answers nor ends, or nothing can be started there.
    """
    with ExitStack() as stop:
        with usable(state):
            state.mkdir(parents=True, exist_ok=True)
            # Marks the directory as ours to delete, and keeps it out of version control.
            (state / ".gitignore").write_text("*\n")
            lock = stop.enter_context((state / "lock").open("w"))
        deadline = time.monotonic() + HANDOVER_SECONDS
        while not _try_lock(lock.fileno()):
            if stack := find(state):
                yield stack, []
                return
            if time.monotonic() > deadline:
                raise StackError(
                    f"Another stack holds {state} but does not answer. "
                    f"End its processes (fuser -k {state / 'lock'}) and try again."
                )
            time.sleep(0.05)
        stack = Stack(str(state), *_claimed_ports(stop))
        description = state / "stack.json"
        with usable(state):
            children = _start(stack, lock.fileno(), stop)
            description.write_text(json.dumps(asdict(stack)))
        stop.callback(description.unlink, missing_ok=True)
        yield stack, children


def wait_ready(stack: Stack, children: Children) -> None:
    """Wait until the stack answers, and its bucket exists.

    Raises:
        StackError: it does not within `START_SECONDS`; the message has its logs' last lines.
    """
    deadline = time.monotonic() + START_SECONDS
    answers = False
    while not answers:
        answers = _answers(stack)
        # Even if something answers: it is not ours where ours found its port taken, and ended.
        ended = any(child.poll() is not None for child in children)
        if ended or (not answers and time.monotonic() > deadline):
            raise StackError(f"The laptop's AWS did not start.\n{_log_tails(Path(stack.state))}")
        time.sleep(0.02)
    import boto3

    # By the interface alone, so that any S3 may stand there; on AWS a template makes the bucket.
    boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{stack.aws_port}",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
    ).create_bucket(Bucket=BUCKET)


def forget(state: Path) -> bool:
    """Delete a state directory; return whether there was one.

    Raises:
        StackError: a stack runs on it, or it is none.
    """
    with usable(state):
        if not state.exists():
            return False
        if not (state / "lock").exists():
            raise StackError(f"{state} is no state directory of aws-orders; nothing was deleted.")
        if _locked(state):
            raise StackError(f"A stack runs on {state}. Stop it (Ctrl-C where it runs) first.")
        shutil.rmtree(state)
        return True


@contextmanager
def guarded(
    command: list[str],
    *,
    signal: str,
    log: Path | None = None,
    lock: int | None = None,
    **kwargs: object,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command under a guard, which stops it by `signal` when this process lets go or ends.

    Args:
        command: The command and its arguments.
        signal: The signal that it ends well by.
        log: Where its output goes; by default, where ours goes.
        lock: A descriptor that the guard holds open until the command is gone.
        kwargs: Passed to Popen (cwd, env).
    """
    with ExitStack() as files:
        output = files.enter_context(log.open("ab")) if log else None
        # Its own session: Ctrl-C reaches us alone, and we stop things in order.
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


def _start(stack: Stack, lock: int, stop: ExitStack) -> Children:
    state = Path(stack.state)
    logs, data, objects = state / "logs", state / "postgres", state / "aws"
    for directory in (logs, objects, dagster_home(state)):
        directory.mkdir(exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name not in FOREIGN}

    ministack = {
        **inherited,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(stack.aws_port),
        "SERVICES": "s3,dynamodb,sqs,sns,sts,secretsmanager",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(objects / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(objects / "s3"),
        "TMPDIR": str(objects),  # for its pid file
        "LOG_LEVEL": "WARNING",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
    }
    redshift = {**inherited, **stack.environment("", "")}
    options = {
        "--data-dir": data,
        "--port": stack.redshift_port,
        "--database": DATABASE,
        "--user": USER,
    }

    def child(name: str, stop_signal: str, command: list[str], **options: object) -> None:
        log = logs / f"{name}.log"
        guard = guarded(command, signal=stop_signal, log=log, lock=lock, **options)
        children.append(stop.enter_context(guard))

    children: Children = []
    python = [sys.executable, "-m"]
    child("aws", "SIGTERM", [*python, "ministack"], env=ministack)
    try:
        postgres.initialise(data)
        child("postgres", "SIGINT", postgres.command(data), cwd=data)
    except postgres.PostgresError as error:
        raise StackError(str(error)) from error
    arguments = [str(word) for option in options.items() for word in option]
    child("redshift", "SIGTERM", [*python, "laptop_aws.redshift", *arguments], env=redshift)
    return children


def _claimed_ports(stop: ExitStack) -> tuple[int, int]:
    try:
        aws, redshift = (
            stop.enter_context(ports.claimed(port)) for port in (AWS_PORT, REDSHIFT_PORT)
        )
    except ports.NoPortError as error:
        raise StackError(str(error)) from error
    return aws, redshift


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _locked(state: Path) -> bool:
    try:
        with (state / "lock").open() as file:
            return not _try_lock(file.fileno())
    except FileNotFoundError:
        return False


def _answers(stack: Stack) -> bool:
    try:
        connection = HTTPConnection("127.0.0.1", stack.aws_port, timeout=ANSWER_SECONDS)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()
        socket.create_connection(("127.0.0.1", stack.redshift_port), ANSWER_SECONDS).close()
    except (OSError, HTTPException):
        return False
    return True


def _log_tails(state: Path) -> str:
    tails = []
    for log in sorted((state / "logs").glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-5:]
        tails.append("\n".join([f"{log}:", *(f"  {line}" for line in lines)]))
    return "\n".join(tails)
