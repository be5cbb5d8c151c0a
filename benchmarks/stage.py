"""What measures need: a stack, feeds, timed processes and their memory.

What is measured is in `measures` and `warehouse`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aws_orders.cli import laptop
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.settings import Settings
from laptop_aws.stack import CONFLICTING, running, wait_ready

PYTHON = sys.executable
AWS_ORDERS = str(Path(sys.executable).with_name("aws-orders"))
HERE = Path(__file__).parent
# awswrangler pins other versions than the platform. Git ignores every .venv.
WRANGLER_HOME = HERE / ".venv"
WRANGLER_NEEDS = ["awswrangler==3.17.1", "psycopg2-binary==2.9.13"]
SAMPLING_SECONDS = 0.1
KINDS = {"guard.py": "guards", "ministack": "S3, DynamoDB", "laptop_aws.redshift": "Redshift"}


@contextmanager
def directory() -> Iterator[Path]:
    """Yield a directory that is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as path:
        yield Path(path).resolve()


@contextmanager
def stack() -> Iterator[Path]:
    """Run a stack on `state` in a new directory, and yield the directory; delete both afterwards.

    Meanwhile this process's environment, which started processes inherit, points to the stack.
    """
    with directory() as place, running(place / "state") as (found, children):
        wait_ready(found, children)
        laptop.create_bucket(found)
        laptop.dagster_home(place / "state").mkdir()
        with patch.dict(os.environ, laptop.environment(found, "", "")):
            for name in CONFLICTING:
                os.environ.pop(name, None)
            yield place


def resources() -> tuple[RedshiftResource, Settings]:
    """Return the warehouse and the settings of the stack to which the environment points."""
    names = ("host", "database", "user", "password", "sslmode", "iam_role")
    values: dict[str, Any] = {name: os.environ[f"REDSHIFT_{name.upper()}"] for name in names}
    redshift = RedshiftResource(port=int(os.environ["REDSHIFT_PORT"]), **values)
    return redshift, Settings(
        bucket=os.environ["AWS_ORDERS_BUCKET"], products_table="products", products_feed=""
    )


def run(*command: object, **environment: str) -> str:
    """Execute a process and return its output.

    Raises:
        RuntimeError: the process failed.
    """
    done = subprocess.run(
        [str(word) for word in command],
        env=os.environ | environment,
        cwd=HERE.parent,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def timed(*command: object) -> float:
    """Execute a process and return its seconds."""
    started = time.monotonic()
    run(*command)
    return time.monotonic() - started


def call(name: str, **environment: str) -> dict[str, Any]:
    """Execute one of `calls` in a separate process; return its result."""
    found: dict[str, Any] = json.loads(run(PYTHON, "-m", "benchmarks.calls", name, **environment))
    return found


def wrangler() -> tuple[Path, Path]:
    """Return the command of `wrangler`, and create its environment unless it exists."""
    python, ready = WRANGLER_HOME / "bin" / "python", WRANGLER_HOME / "ready"
    if not ready.exists() or ready.read_text().split() != WRANGLER_NEEDS:
        venv.create(WRANGLER_HOME, with_pip=True, clear=True)
        run(python, "-m", "pip", "install", "--disable-pip-version-check", *WRANGLER_NEEDS)
        ready.write_text("\n".join(WRANGLER_NEEDS))
    return python, HERE / "wrangler.py"


def interleaved(rounds: int, *actions: Callable[[int], float]) -> list[list[float]]:
    """Call all actions in each round with its number; return the results of each action."""
    results = [[action(number) for action in actions] for number in range(rounds)]
    return [list(samples) for samples in zip(*results, strict=True)]


def write_feeds(place: Path, products: int, orders: int, edition: int = 0) -> tuple[Path, Path]:
    """Write a products and an orders feed; two editions differ in every row.

    One order in a thousand has an unknown product.
    """
    paths = (place / f"products_{edition}.csv", place / f"orders_{edition}.csv")
    with paths[0].open("w") as file:
        file.write("product_id,product_name,product_category,brand\n")
        for n in range(1, products + 1):
            name = f'"Kettle, {n % 40} l, no. {n}"' if n % 16 == 0 else f"Crème brûlée dish {n}"
            file.write(f"{n},{name},Category {n % 97},Brand {(n * 31 + edition) % 1009}\n")
    with paths[1].open("w") as file:
        file.write("order_id,customer_name,customer_email,product_id,price,quantity,total\n")
        for n in range(1, orders + 1):
            cents, quantity = (n * 7919 + edition) % 50_000 + 99, n % 9 + 1
            person, product = n * 104_729 % 250_007, n * 65_537 % (products * 1001 // 1000) + 1
            file.write(
                f"{n},Zoë Customer-{person},customer.{person}@example.com,{product},"
                f"{cents / 100:.2f},{quantity},{cents * quantity / 100:.2f}\n"
            )
    return paths


def watched(*command: object) -> tuple[float, dict[str, float]]:
    """Execute a process; return its seconds and the peak memory of it and its descendants.

    The memory is in megabytes: for each kind of process, the peak of the largest one (VmHWM, which
    includes shared memory).
    """
    started, peaks = time.monotonic(), dict[str, float]()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            for member in _family(process.pid):
                with suppress(OSError, StopIteration):
                    kind = "aws-orders" if member == process.pid else _kind(member)
                    peaks[kind] = max(_peak(member), peaks.get(kind, 0))
            time.sleep(SAMPLING_SECONDS)
        seconds = time.monotonic() - started
    finally:
        process.terminate()
        process.wait()
    if process.returncode:
        raise RuntimeError(f"{command} failed")
    return seconds, peaks


def _family(process: int) -> Iterator[int]:
    yield process
    with suppress(OSError):
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from _family(int(child))


def _kind(process: int) -> str:
    command = Path(f"/proc/{process}/cmdline").read_text()
    return next((kind for mark, kind in KINDS.items() if mark in command), "PostgreSQL")


def _peak(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
