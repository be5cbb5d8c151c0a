"""The stack: its state directory, its two ports, and the environment that points clients at it.

A state directory has at most one stack. A lock on a file in the directory shows whether one runs.
The guards of all children share the lock, so it becomes free only after the last child has ended,
and a new stack never finds the files of an old one in use. The processes are in `processes`.
"""

import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from laptop_aws import ports
from laptop_aws.errors import StackError, usable
from laptop_aws.processes import Children, log_tails, start

REGION = "us-east-1"
DATABASE, USER, PASSWORD = "dev", "awsuser", "Local-laptop-0nly"
# Only the stand-ins accept these; the AWS SDKs require some.
KEY_ID, SECRET_KEY = "local", "local"
AWS_PORT, REDSHIFT_PORT = 4566, 5439
START_SECONDS, HANDOVER_SECONDS = 120, 60
# A port without a server refuses at once; a server may be slow on a busy machine.
ANSWER_SECONDS = 30
CONFLICTING = (
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_DYNAMODB",
)
"""Variables that make a client bypass the stand-ins: unset them."""


@dataclass(frozen=True)
class Stack:
    """A running stack: its state directory and the two ports that it serves on 127.0.0.1."""

    state: str
    aws_port: int
    redshift_port: int

    @property
    def aws_url(self) -> str:
        """The endpoint of S3, DynamoDB, SQS and SNS."""
        return f"http://127.0.0.1:{self.aws_port}"

    def environment(self) -> dict[str, str]:
        """Return the environment for AWS clients, and the connection to Redshift."""
        return {
            "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "REDSHIFT_HOST": "127.0.0.1",
            "REDSHIFT_PORT": str(self.redshift_port),
            "REDSHIFT_DATABASE": DATABASE,
            "REDSHIFT_USER": USER,
            "REDSHIFT_PASSWORD": PASSWORD,
            "REDSHIFT_SSLMODE": "disable",
            "REDSHIFT_IAM_ROLE": "arn:aws:iam::000000000000:role/laptop",
        }


def find(state: Path) -> Stack | None:
    """Return the stack that runs on `state`, or None."""
    absent = suppress(FileNotFoundError, NotADirectoryError)
    with usable(state), absent, (state / "stack.json").open() as file:
        stack = Stack(**json.load(file))
        if _locked(state) and _answers(stack):
            return stack
    return None


@contextmanager
def running(state: Path) -> Iterator[tuple[Stack, Children]]:
    """Use the stack that runs on `state`, or start one and stop it afterwards.

    Yields the stack, which may not be ready yet (see `wait_ready`), and the processes that were
    started for it here; the list is empty if the stack ran already.

    Raises:
        StackError: another stack there neither answers nor ends, or nothing can be started there.
    """
    with ExitStack() as stop:
        with usable(state):
            state.mkdir(parents=True, exist_ok=True)
            # Keeps the directory out of version control.
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


def _start(stack: Stack, lock: int, stop: ExitStack) -> Children:
    inherited = {name: value for name, value in os.environ.items() if name not in CONFLICTING}
    return start(
        Path(stack.state),
        stop,
        lock=lock,
        aws_port=stack.aws_port,
        redshift=["--port", str(stack.redshift_port), "--database", DATABASE, "--user", USER],
        inherited=inherited,
        connection=stack.environment(),
    )


def wait_ready(stack: Stack, children: Children) -> None:
    """Wait until the stack answers.

    Raises:
        StackError: it does not within `START_SECONDS`; the message has its logs' last lines.
    """
    deadline = time.monotonic() + START_SECONDS
    answers = False
    while not answers:
        answers = _answers(stack)
        # A child that found its port taken has ended, and another server may answer on that port.
        ended = any(child.poll() is not None for child in children)
        if ended or (not answers and time.monotonic() > deadline):
            raise StackError(f"The stack did not start.\n{log_tails(Path(stack.state))}")
        time.sleep(0.02)


def delete(state: Path) -> bool:
    """Delete a state directory; return whether it existed.

    Raises:
        StackError: a stack runs on it, or it is not a state directory.
    """
    with usable(state):
        if not state.exists():
            return False
        if not (state / "lock").exists():
            raise StackError(f"{state} is not a state directory; nothing was deleted.")
        if _locked(state):
            raise StackError(f"A stack runs on {state}. Stop it first (Ctrl-C in its terminal).")
        shutil.rmtree(state)
        return True


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
