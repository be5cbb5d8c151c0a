"""`aws-orders stack`, `env` and `reset`: the laptop's AWS without a run."""

import argparse
import shlex
import time

from aws_orders.cli.environment import SAMPLE_FEEDS, link_instance, state_option
from laptop_aws.errors import StackError
from laptop_aws.stack import find, forget, running, wait_ready


def stack(options: argparse.Namespace) -> int:
    """Run the laptop's AWS until a signal stops it.

    Raises:
        StackError: a stack already runs on the state directory, or a part of it ends.
    """
    with running(options.state) as (started, children):
        if not children:
            raise StackError(f"A stack already runs on {options.state}.")
        wait_ready(started, children)
        print(
            f"S3, DynamoDB, SQS, SNS: http://127.0.0.1:{started.aws_port}\n"
            f"Redshift:               127.0.0.1:{started.redshift_port}\n"
            f'In another terminal:    eval "$(aws-orders env{state_option(options.state)})"\n'
            "Ctrl-C ends it.",
            flush=True,
        )
        while all(child.poll() is None for child in children):
            time.sleep(0.5)
        raise StackError(f"A part of the stack ended unexpectedly; see {options.state / 'logs'}.")


def env(options: argparse.Namespace) -> int:
    """Print the environment of a running stack as export lines.

    Raises:
        StackError: no stack runs on the state directory.
    """
    found = find(options.state)
    if found is None:
        raise StackError(
            f"No stack runs on {options.state}. "
            f"Start one in another terminal: aws-orders stack{state_option(options.state)}"
        )
    link_instance(options.state)
    for name, value in found.environment(*SAMPLE_FEEDS).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def reset(options: argparse.Namespace) -> int:
    """Delete the state directory."""
    deleted = forget(options.state)
    print(f"Deleted {options.state}." if deleted else f"There is no {options.state}.")
    return 0
