"""The command line `aws-orders`: its commands, options, signals and exit status.

Each command is in the module of its name; `env` and `reset` are in `stack`. The commands start the
laptop's AWS, set the environment, and leave the rest to Dagster. On AWS use Dagster's commands with
AWS's environment, and `aws-orders doctor`, which checks whatever environment it is given.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from aws_orders.cli import dev, doctor, run, stack
from aws_orders.cli.environment import DEFAULT_STATE, SAMPLES
from aws_orders.errors import DataError
from aws_orders.resources.locations import is_url
from laptop_aws.errors import DirectoryError, StackError
from laptop_aws.foreground import exit_on_signals

Command = Callable[[argparse.Namespace], int]


def main() -> NoReturn:
    """Execute the command line; exit with 0 if the command succeeds."""
    options = _parser().parse_args()
    exit_on_signals()
    try:
        sys.exit(options.command(options))
    except DirectoryError as error:
        sys.exit(f"aws-orders: {error} With make: make STATE=DIR.")
    except (DataError, StackError) as error:
        sys.exit(f"aws-orders: {error}")
    except BrokenPipeError:
        # The reader of the output has closed it. Without this, Python reports it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aws-orders", description="Run the orders platform on a laptop, or check its setup."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Command, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=function)
        return added

    run_parser = command("run", run.run, "Materialize the six assets and show the result.")
    _add_run_options(run_parser)
    dev_parser = command("dev", dev.dev, "Serve Dagster's web UI until Ctrl-C.")
    dev_parser.add_argument("--port", type=int, default=3000, help="port of the UI (default: 3000)")
    with_state = [
        run_parser,
        dev_parser,
        command("stack", stack.stack, "Run only the laptop's AWS, until Ctrl-C."),
        command("env", stack.env, "Print the environment of a running stack as export lines."),
        command("reset", stack.reset, "Delete the state directory."),
    ]
    for each in with_state:
        each.add_argument(
            "--state",
            type=lambda path: Path(path).resolve(),
            default=Path(DEFAULT_STATE).resolve(),
            metavar="DIR",
            help=f"directory that keeps all data between runs (default: {DEFAULT_STATE})",
        )
    text = "Check the environment, on AWS or of a running stack, and report what is missing."
    doctor_parser = command("doctor", doctor.doctor, text)
    doctor_parser.add_argument(
        "--live",
        action="store_true",
        help="also load, unload and compare ten rows, and delete them afterwards",
    )
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    for feed in ("products", "orders"):
        parser.add_argument(
            f"--{feed}",
            type=_absolute,
            default=str(SAMPLES / f"{feed}.csv"),
            metavar="URL",
            help=f"the {feed} feed: http(s)://, s3:// or a path (default: the sample)",
        )
    parser.add_argument(
        "--max-delete-share",
        type=float,
        metavar="SHARE",
        help="the largest share, 0 to 1, of the products table that the run may delete",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="fetch both feeds even if their ETags show that they have not changed",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def _absolute(url: str) -> str:
    """Return a path as an absolute path, and a URL unchanged."""
    return url if is_url(url) else str(Path(url).resolve())
