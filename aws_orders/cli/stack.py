"""`aws-orders stack`, `env` and `reset`: the laptop's AWS without a run."""

import argparse
import shlex
from typing import NoReturn

from aws_orders.cli.environment import SAMPLE_FEEDS, link_instance, state_option
from aws_orders.cli.laptop import create_bucket, environment
from laptop_aws import foreground
from laptop_aws.errors import StackError
from laptop_aws.stack import Stack, delete, find


def stack(options: argparse.Namespace) -> NoReturn:
    """Run the laptop's AWS until a signal stops it.

    Raises:
        StackError: a stack already runs on the state directory, or a part of it ends.
    """

    def prepare(started: Stack) -> str:
        create_bucket(started)
        command = f"aws-orders env{state_option(options.state)}"
        return f'In another terminal:    eval "$({command})"\n'

    foreground.run(options.state, prepare)


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
    for name, value in environment(found, *SAMPLE_FEEDS).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def reset(options: argparse.Namespace) -> int:
    """Delete the state directory."""
    deleted = delete(options.state)
    print(f"Deleted {options.state}." if deleted else f"There is no {options.state}.")
    return 0
