"""Run a stack in a terminal: print its endpoints and wait until Ctrl-C or SIGTERM."""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from laptop_aws.errors import StackError
from laptop_aws.stack import Stack, running, wait_ready


def exit_on_signals() -> None:
    """Make SIGTERM and SIGINT raise SystemExit, so that everything that was started is stopped.

    A shell starts background jobs with SIGINT ignored; this also restores it.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def run(state: Path, prepare: Callable[[Stack], str]) -> NoReturn:
    """Start a stack on `state` and run it until a signal raises SystemExit.

    Args:
        state: The state directory.
        prepare: Called once the stack is ready; returns lines to print below the endpoints.

    Raises:
        StackError: a stack already runs there, it does not start, or one of its processes ends.
    """
    with running(state) as (stack, children):
        if not children:
            raise StackError(f"A stack already runs on {state}.")
        wait_ready(stack, children)
        sys.stdout.write(
            f"S3, DynamoDB, SQS, SNS: {stack.aws_url}\n"
            f"Redshift:               127.0.0.1:{stack.redshift_port}\n"
            f"{prepare(stack)}"
            "Ctrl-C ends it.\n"
        )
        sys.stdout.flush()
        while all(child.poll() is None for child in children):
            time.sleep(0.5)
        raise StackError(f"A process of the stack ended unexpectedly; see {state / 'logs'}.")
