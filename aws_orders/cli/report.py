"""Prints the progress and the result of a refresh."""

import boto3

from aws_orders.cli.refresh import OUTPUT, AssetResult, Summary
from aws_orders.reporting.previews import first_rows
from aws_orders.resources.aws_errors import record_resources
from aws_orders.resources.locations import split_s3_url
from aws_orders.rows.masking import masked

PREVIEW_ROWS = 5


def ignore(result: AssetResult) -> None:
    """Print nothing."""


def print_asset(result: AssetResult) -> None:
    """Print the name, rows and seconds of a completed asset."""
    rows = "" if result.rows is None else f"{result.rows:,} rows"
    print(f"  {result.asset:<20} {rows:>16} {result.seconds:>9.2f} s", flush=True)


def print_result(summary: Summary, seconds: float) -> None:
    """Print where the output is, its first rows, and the next command."""
    output = summary.assets[OUTPUT]
    uri, rows = output.metadata["dagster/uri"], output.rows or 0
    print(f"\n{uri}: {rows:,} rows, {output.metadata['bytes']:,} bytes, in {seconds:.1f} s")
    if unmatched := output.metadata["unmatched_orders"]:
        orders = "1 order has" if unmatched == 1 else f"{unmatched:,} orders have"
        print(f"{orders} an unknown product: {output.metadata['unmatched_orders_file']}")
    passed = summary.checks - len(summary.failed_checks)
    print(f"{passed} of {summary.checks} checks passed")
    for check, description in summary.failed_checks.items():
        print(f"  {check}: {description}")
    print()
    for row in _aligned(_first_rows(uri)):
        print(f"  {row}")
    print("\nNext: make dev, to see it in Dagster's web UI on http://127.0.0.1:3000")


def _first_rows(uri: str) -> list[list[str]]:
    bucket, key = split_s3_url(uri)
    s3 = record_resources(boto3.client("s3"))
    header, *rows = first_rows(s3, bucket, key, PREVIEW_ROWS)
    return [header, *(list(map(masked, header, row)) for row in rows)]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
