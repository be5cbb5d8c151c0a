"""The command line: `aws-orders run | dev | stack | env | reset`, on the laptop's AWS.

It starts the stack, sets the environment, and leaves the rest to Dagster: `progress` runs the
job and tells of it. Against AWS one uses Dagster's own commands, with AWS's environment, and
`aws-orders doctor`, which examines whatever environment it is given.
"""

import argparse
import atexit
import gc
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NoReturn

from aws_orders.cli.laptop import create_bucket, dagster_home, environment
from aws_orders.resources.locations import is_url
from laptop_aws import foreground
from laptop_aws.errors import DirectoryError, StackError, usable
from laptop_aws.processes import guarded
from laptop_aws.stack import CONFLICTING, Stack, delete, find, running, wait_ready

PROJECT = Path(__file__).parent.parent.parent
SAMPLES = Path(__file__).parent.parent / "samples"
DEFAULT_STATE = ".aws_orders"


def main() -> NoReturn:
    """Run the command line; exit 0 where it did what it was asked."""
    options = _parser().parse_args()
    foreground.exit_on_signals()
    try:
        sys.exit(options.command(options))
    except DirectoryError as error:
        sys.exit(f"aws-orders: {error} With make: make STATE=DIR.")
    except StackError as error:
        sys.exit(f"aws-orders: {error}")
    except BrokenPipeError:
        # Whoever read our output has enough of it; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aws-orders", description="The orders platform on the laptop's AWS."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument(
            "--state",
            type=lambda path: Path(path).resolve(),
            default=Path(DEFAULT_STATE).resolve(),
            metavar="DIR",
            help=f"where everything is kept between runs (default: {DEFAULT_STATE})",
        )
        added.set_defaults(command=run)
        return added

    run = command("run", _run, "Materialize the six assets and show the result.")
    for feed in ("products", "orders"):
        run.add_argument(
            f"--{feed}",
            type=_absolute,
            default=str(SAMPLES / f"{feed}.csv"),
            metavar="URL",
            help=f"the {feed} feed: http(s)://, s3:// or a path (default: the sample)",
        )
    run.add_argument(
        "--max-delete-share",
        type=float,
        metavar="SHARE",
        help="the largest share, 0 to 1, of the products table that the run may delete",
    )
    run.add_argument(
        "--force",
        action="store_true",
        help="fetch both feeds also if their ETags say that they have not changed",
    )
    run.add_argument("--json", action="store_true", help="print one JSON object instead")
    dev = command("dev", _dev, "Serve Dagster's web UI until Ctrl-C.")
    dev.add_argument("--port", type=int, default=3000, help="the UI's port (default: 3000)")
    command("stack", _stack, "Run only the laptop's AWS, until Ctrl-C.")
    command("env", _env, "Print the environment of a running stack as export lines.")
    command("reset", _reset, "Forget everything that was kept.")
    text = "Check the environment, on AWS or of a running stack, and say what is missing."
    doctor = commands.add_parser("doctor", help=text, description=text)
    doctor.add_argument(
        "--live",
        action="store_true",
        help="also load, unload and compare ten rows, and remove them",
    )
    doctor.set_defaults(command=_doctor)
    return parser


def _absolute(url: str) -> str:
    """Make a path absolute; leave a URL as it is."""
    return url if is_url(url) else str(Path(url).resolve())


def _run(options: argparse.Namespace) -> int:
    started = time.monotonic()
    with running(options.state) as (stack, children):
        _enter(stack, options.products, options.orders)
        # Dagster takes seconds to import: time in which the stack gets ready.
        with _uncollected():
            from aws_orders.cli import progress

            progress.preload()
        wait_ready(stack, children)
        create_bucket(stack)
        line = progress.ignore if options.json else progress.print_line
        progress.recover(fresh_stack=bool(children))
        summary = progress.refresh(line, options.max_delete_share, force=options.force)
        if not summary.succeeded:
            print(f"\n{summary.error}\n\nThe whole story: make dev, then Runs.", file=sys.stderr)
            return 1
        seconds = time.monotonic() - started
        if options.json:
            print(json.dumps(summary.as_json(seconds), indent=2))
        else:
            progress.print_result(summary, seconds)
    return 0


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep what is imported inside out of garbage collection, from now until the exit.

    A million objects that live as long as the process, looked at again and again while they are
    made and once more when it ends: that was more than a second of each run.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()
    atexit.register(gc.freeze)


def _dev(options: argparse.Namespace) -> int:
    with running(options.state) as (stack, children):
        _enter(stack)
        from aws_orders.cli import progress

        wait_ready(stack, children)
        create_bucket(stack)
        progress.recover(fresh_stack=bool(children))
        # On a laptop files should show up by themselves; on AWS somebody decides to start that.
        os.environ.setdefault("AWS_ORDERS_SENSORS", "running")
        workspace = str(PROJECT / "workspace.yaml")
        dagster = [sys.executable, "-m", "dagster", "dev", "--workspace", workspace]
        dagster += ["--host", "127.0.0.1", "--port", str(options.port), "--log-level", "warning"]
        with guarded(dagster, signal="SIGINT", cwd=PROJECT) as server:
            while not _serves(options.port):
                if server.poll() is not None:
                    raise StackError(f"Dagster ended at once; is port {options.port} taken?")
                time.sleep(0.2)
            address = f"http://127.0.0.1:{options.port}"
            print(f"\n  Dagster's web UI: {address}   (Ctrl-C ends it)\n", flush=True)
            return server.wait()


def _serves(port: int) -> bool:
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/server_info")
        return connection.getresponse().status == 200
    except OSError:
        return False


def _stack(options: argparse.Namespace) -> NoReturn:
    def prepare(stack: Stack) -> str:
        create_bucket(stack)
        command = f"aws-orders env{_state_option(options.state)}"
        return f'In another terminal:    eval "$({command})"\n'

    foreground.run(options.state, prepare)


def _env(options: argparse.Namespace) -> int:
    stack = find(options.state)
    if stack is None:
        raise StackError(
            f"No stack runs on {options.state}. "
            f"Start one in another terminal: aws-orders stack{_state_option(options.state)}"
        )
    _link_instance(options.state)
    samples = (str(SAMPLES / "products.csv"), str(SAMPLES / "orders.csv"))
    for name, value in environment(stack, *samples).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _reset(options: argparse.Namespace) -> int:
    deleted = delete(options.state)
    print(f"Deleted {options.state}." if deleted else f"There is no {options.state}.")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from aws_orders.doctor import examine
    from aws_orders.doctor.findings import Status

    found = {Status.OK: 0, Status.WARN: 0, Status.MISSING: 0}
    for finding in examine(options.live):
        found[finding.status] += 1
        print(finding, flush=True)
    print("\n" + ", ".join(f"{count} {status}" for status, count in found.items()))
    if not options.live and not found[Status.MISSING]:
        print("Writing, and the role of COPY, are tried by: aws-orders doctor --live")
    return 1 if found[Status.MISSING] else 0


def _state_option(state: Path) -> str:
    return "" if state == Path(DEFAULT_STATE).resolve() else f" --state {shlex.quote(str(state))}"


def _enter(stack: Stack, *feeds: str) -> None:
    """Make this process, and those that it starts, use the stack."""
    for name in CONFLICTING:
        os.environ.pop(name, None)
    samples = (str(SAMPLES / "products.csv"), str(SAMPLES / "orders.csv"))
    os.environ.update(environment(stack, *(feeds or samples)))
    _link_instance(Path(stack.state))


def _link_instance(state: Path) -> None:
    """Give the state directory's Dagster instance the project's dagster.yaml, by a link."""
    source, link = PROJECT / "dagster.yaml", dagster_home(state) / "dagster.yaml"
    if not source.exists():
        raise StackError(f"There is no {source}: run aws-orders from a clone, installed with -e.")
    with usable(state):
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(source)
