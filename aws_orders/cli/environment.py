"""Makes this process, and the processes that it starts, use a stack."""

import os
import shlex
from pathlib import Path

from aws_orders.cli.laptop import dagster_home, environment
from laptop_aws.errors import StackError, usable
from laptop_aws.stack import CONFLICTING, Stack

PROJECT = Path(__file__).parent.parent.parent
SAMPLES = Path(__file__).parent.parent / "samples"
SAMPLE_FEEDS = (str(SAMPLES / "products.csv"), str(SAMPLES / "orders.csv"))
DEFAULT_STATE = ".aws_orders"


def use_stack(stack: Stack, products_feed: str, orders_feed: str) -> None:
    """Set this process's environment so that the platform uses the stack and these feeds."""
    for name in CONFLICTING:
        os.environ.pop(name, None)
    os.environ.update(environment(stack, products_feed, orders_feed))
    link_instance(Path(stack.state))


def link_instance(state: Path) -> None:
    """Link the project's dagster.yaml into the Dagster instance of the state directory.

    Raises:
        StackError: the package is not installed from a clone, or the directory cannot be written.
    """
    source, link = PROJECT / "dagster.yaml", dagster_home(state) / "dagster.yaml"
    if not source.exists():
        raise StackError(
            f"{source} does not exist. Run aws-orders from a clone, installed with pip install -e."
        )
    with usable(state):
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(source)


def state_option(state: Path) -> str:
    """Return the option that selects a state directory; empty for the default directory."""
    return "" if state == Path(DEFAULT_STATE).resolve() else f" --state {shlex.quote(str(state))}"
