"""`aws-orders dev`: serves Dagster's web UI, with running sensors, until Ctrl-C."""

import argparse
import os
import sys
import time
from http.client import HTTPConnection

from aws_orders.cli.environment import PROJECT, SAMPLE_FEEDS, use_stack
from aws_orders.cli.laptop import create_bucket
from laptop_aws.errors import StackError
from laptop_aws.processes import guarded
from laptop_aws.stack import running, wait_ready


def dev(options: argparse.Namespace) -> int:
    """Start the stack unless it runs, and serve the UI.

    Raises:
        StackError: Dagster ends before it serves the UI.
    """
    with running(options.state) as (stack, children):
        use_stack(stack, *SAMPLE_FEEDS)
        from aws_orders.cli import refresh

        wait_ready(stack, children)
        create_bucket(stack)
        refresh.fail_interrupted_runs(fresh_stack=bool(children))
        # On a laptop the sensors run by default.
        os.environ.setdefault("AWS_ORDERS_SENSORS", "running")
        workspace = str(PROJECT / "workspace.yaml")
        dagster = [sys.executable, "-m", "dagster", "dev", "--workspace", workspace]
        dagster += ["--host", "127.0.0.1", "--port", str(options.port), "--log-level", "warning"]
        with guarded(dagster, signal="SIGINT", cwd=PROJECT) as server:
            while not _responds(options.port):
                if server.poll() is not None:
                    raise StackError(
                        f"Dagster exited during startup. Check that port {options.port} is free."
                    )
                time.sleep(0.2)
            address = f"http://127.0.0.1:{options.port}"
            print(f"\n  Dagster's web UI: {address}   (Ctrl-C to stop)\n", flush=True)
            return server.wait()


def _responds(port: int) -> bool:
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/server_info")
        return connection.getresponse().status == 200
    except OSError:
        return False
