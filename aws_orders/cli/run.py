"""`aws-orders run`: materializes the six assets in this process and shows the result."""

import argparse
import atexit
import gc
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aws_orders.cli.environment import use_stack
from aws_orders.cli.laptop import create_bucket
from laptop_aws.stack import running, wait_ready


def run(options: argparse.Namespace) -> int:
    """Start the stack unless it runs, refresh everything, and print the result."""
    started = time.monotonic()
    with running(options.state) as (stack, children):
        use_stack(stack, options.products, options.orders)
        # Importing Dagster takes seconds, during which the stack starts.
        with _without_garbage_collection():
            from aws_orders.cli import refresh, report

            refresh.preload()
        wait_ready(stack, children)
        create_bucket(stack)
        refresh.fail_interrupted_runs(fresh_stack=bool(children))
        on_asset = report.ignore if options.json else report.print_asset
        summary = refresh.refresh(on_asset, options.max_delete_share, force=options.force)
        if not summary.succeeded:
            print(f"\n{summary.error}\n\nFor details: make dev, then Runs.", file=sys.stderr)
            return 1
        seconds = time.monotonic() - started
        if options.json:
            print(json.dumps(summary.as_json(seconds), indent=2))
        else:
            report.print_result(summary, seconds)
    return 0


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Exclude the objects that the block's imports create from garbage collection until the exit.

    There are a million of them, and they live as long as the process. Examining them during the
    imports and at the exit would take more than a second of each run.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()
    atexit.register(gc.freeze)
