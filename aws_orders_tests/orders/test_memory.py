"""Memory: it does not grow with the size of a feed."""

import os
import subprocess
import sys
from pathlib import Path

from aws_orders_tests.conftest import ORDERS_CSV, Platform

LIMIT_MIB = 300
FEED_MIB = 320

RECEIVE = """
import pathlib, re, sys
from aws_orders.orders.feed import receive_orders
from aws_orders.resources.s3 import SharedS3Resource
from aws_orders.resources.settings import Settings

bucket, feed = sys.argv[1:]
settings = Settings(bucket=bucket, products_table="", products_feed="", orders_feed=feed)
intake = receive_orders(SharedS3Resource().get_client(), settings, "_runs/memory/")
# Not getrusage: its peak includes the parent's memory at the fork.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())
print(intake.rows, int(peak[1]) // 1024)
"""


def test_a_feed_larger_than_the_memory_is_received(platform: Platform, tmp_path: Path) -> None:
    header, *rows = ORDERS_CSV.splitlines(keepends=True)
    block = "".join(rows).encode() * 10_000
    blocks = FEED_MIB * 1024**2 // len(block) + 1
    feed = tmp_path / "large.csv"
    with feed.open("wb") as file:
        file.write(header.encode())
        for _ in range(blocks):
            file.write(block)
    done = subprocess.run(
        [sys.executable, "-c", RECEIVE, platform.bucket, str(feed)],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    received, peak_mib = map(int, done.stdout.split())
    assert received == blocks * len(rows) * 10_000
    assert peak_mib < LIMIT_MIB
    stored = platform.s3.head_object(Bucket=platform.bucket, Key="input/orders/feed.csv")
    assert stored["ContentLength"] == feed.stat().st_size
    platform.s3.delete_object(Bucket=platform.bucket, Key="input/orders/feed.csv")
