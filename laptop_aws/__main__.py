"""``python -m laptop_aws --state DIR``: run the stack until Ctrl-C and print its environment."""

import argparse
import shlex
import sys
from pathlib import Path

from laptop_aws.errors import StackError
from laptop_aws.foreground import exit_on_signals, run
from laptop_aws.stack import Stack


def main() -> None:
    """Run the command line; exit with status 1 and one message if the stack fails."""
    parser = argparse.ArgumentParser(
        prog="python -m laptop_aws",
        description="Run S3, DynamoDB, SQS, SNS and Redshift on 127.0.0.1 until Ctrl-C.",
    )
    parser.add_argument(
        "--state", type=Path, required=True, metavar="DIR", help="keeps all data between starts"
    )
    options = parser.parse_args()
    exit_on_signals()
    try:
        run(options.state.resolve(), environment_lines)
    except StackError as error:
        sys.exit(f"laptop_aws: {error}")


def environment_lines(stack: Stack) -> str:
    """Return the stack's environment as export lines."""
    return "".join(
        f"export {name}={shlex.quote(value)}\n" for name, value in stack.environment().items()
    )


if __name__ == "__main__":
    main()
